# A garbage collection keeps what agents and previews use, and what new ones
# will get, and removes what nobody uses any more.
{ berth, ... }:
let
  static = ../../tests/fixtures/static;
in
{
  name = "berth-garbage-collection";

  nodes.forge = import ./common/forge.nix;
  nodes.host = {
    imports = [
      (import ./common/preview-host.nix {
        inherit berth;
        sources = [ static ];
      })
    ];
    services.berth.settings.preview = {
      forge = "http://forge/git";
      bounds.closures_kept = 0;
    };
  };

  testScript = builtins.readFile ./common/helpers.py + ''
    start_all()
    forge.wait_for_open_port(80)
    add_repository(forge, "site", "${static}")
    host.wait_for_unit("multi-user.target")
    host.wait_for_unit("caddy.service")
    host.succeed("agent build")
    host.succeed("agent create one")
    host.succeed("preview create acme/site main")
    agents = told(host, "agent info one")["closure"]
    previews = told(host, "preview info site-main")["closure"]
    host.succeed("echo unused >/root/unused")
    unused = host.succeed("nix-store --add /root/unused").strip()

    with subtest("what is used stays"):
        host.succeed("nix-collect-garbage")
        host.fail(f"nix-store --check-validity {unused}")
        for path in [agents, previews]:
            host.succeed(
                f"nix-store --query --requisites {path} | xargs nix-store --check-validity",
                f"nix-store --query --requisites {path} | xargs ls -d",
            )
        host.succeed("agent stop one")
        host.succeed("agent start one")
        host.succeed("preview restart site-main")
        assert page(host, "site-main") == "one\n"

    with subtest("new agents need no build"):
        host.succeed("agent create two")
        host.succeed("agent destroy one two")
        host.succeed("nix-collect-garbage")
        host.succeed(f"nix-store --check-validity {agents}")

    with subtest("what is not used any more goes"):
        host.succeed("preview destroy site-main")
        host.succeed("preview doctor --fix")
        host.succeed("nix-collect-garbage")
        host.fail(f"nix-store --check-validity {previews}")
        is_well(host)
  '';
}
