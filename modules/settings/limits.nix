# What a new container may use when no option of the command line says
# otherwise: the same keys for agents and for previews.
{ lib, types }:
what: {
  ttl = lib.mkOption {
    type = lib.types.nullOr types.ttl;
    default = null;
    example = "8h";
    description = "Time to live of a new ${what} when `--ttl` is not given. It lives for ever when null.";
  };

  memory = lib.mkOption {
    type = types.memory;
    default = "4G";
    example = "8G";
    description = "Memory that a new ${what} may use at most (`MemoryMax`); powers of 1024.";
  };

  cpus = lib.mkOption {
    type = types.cpus;
    default = "2";
    example = "1.5";
    description = "Processor time that a new ${what} may use at most, in CPUs (`CPUQuota`).";
  };

  tasks = lib.mkOption {
    type = types.tasks;
    default = 4096;
    example = 2048;
    description = "Processes and threads that a new ${what} may have at most (`TasksMax`).";
  };
}
