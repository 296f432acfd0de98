# What Berth's units do without: no module, but a set for `serviceConfig`. A
# unit merges it and then opens what it needs, with a comment for each opening.
{
  # No privilege, and no way to any.
  CapabilityBoundingSet = "";
  NoNewPrivileges = true;
  RestrictNamespaces = true;
  RestrictRealtime = true;
  RestrictSUIDSGID = true;

  # Nothing can be written, and no core file tells what the memory had.
  ProtectSystem = "strict";
  ProtectHome = true;
  PrivateTmp = true;
  UMask = "0077";
  LimitCORE = 0;

  # Of devices, kernel and other processes it sees what it must.
  PrivateDevices = true;
  PrivateIPC = true;
  ProtectClock = true;
  ProtectControlGroups = true;
  ProtectHostname = true;
  ProtectKernelLogs = true;
  ProtectKernelModules = true;
  ProtectKernelTunables = true;
  ProtectProc = "invisible";
  ProcSubset = "pid";

  # A unix socket is how a service tells systemd that it is ready.
  RestrictAddressFamilies = "AF_UNIX";

  LockPersonality = true;
  MemoryDenyWriteExecute = true;
  SystemCallArchitectures = "native";
  SystemCallFilter = [
    "@system-service"
    "~@privileged @resources @keyring"
  ];
  SystemCallErrorNumber = "EPERM";
}
