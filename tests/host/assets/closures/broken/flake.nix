{
  description = "A flake that does not evaluate";

  outputs = { self }: {
    nixosConfigurations.agent.config.system.build.toplevel =
      throw "the option `services.nonsense' does not exist";
  };
}
