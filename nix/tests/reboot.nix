# After a reboot of the host what ran comes back by itself, and what did not
# run stays so.
{ berth, ... }:
let
  static = ../../tests/fixtures/static;
in
{
  name = "berth-reboot";

  nodes.host = {
    imports = [
      (import ./common/preview-host.nix {
        inherit berth;
        sources = [ static ];
      })
      ./common/github.nix
    ];
    services.berth.settings.daemon.starts = 1;
  };

  testScript = builtins.readFile ./common/helpers.py + ''
    host.wait_for_unit("multi-user.target")
    host.wait_for_open_port(8429)
    add_to_github(host, "${static}")
    host.succeed("agent build")
    for name in ["up", "paused"]:
        host.succeed(f"agent create {name}")
    inside(host, "up", "echo mine >~/workspace")
    host.succeed("agent stop paused")
    host.succeed("preview create acme/site main")

    # First as an operator does it, then as a power failure does.
    for end in [host.shutdown, host.crash]:
        host.succeed("sync")
        end()
        host.start()
        host.wait_for_unit("berthd.service")
        host.wait_until_succeeds("agent ssh up -- cat workspace | grep mine", timeout=300)
        settles(host, "site-main", "one")
        states = {one["name"]: one["state"] for one in told(host, "agent list")}
        assert states == {"up": "running", "paused": "stopped"}, states
        is_well(host)
  '';
}
