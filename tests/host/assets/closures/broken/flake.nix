{
  description = "A flake that does not evaluate";

  outputs = _: {
    nixosConfigurations.agent.config.system.build.toplevel =
      throw "the option `services.nonsense' does not exist";
  };
}
