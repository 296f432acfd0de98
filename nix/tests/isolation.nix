# Containers reach the internet and the resolver, and neither each other nor the
# host, nor the networks behind it.
{ berth, ... }:
let
  # What answers on port 80 of every address that it has.
  answering = {
    networking.firewall.allowedTCPPorts = [ 80 ];
    services.nginx = {
      enable = true;
      virtualHosts.default.locations."/".return = "200 reached";
    };
  };
in
{
  name = "berth-isolation";

  nodes.host = {
    imports = [
      (import ./common/host.nix { inherit berth; })
      answering
    ];
    # Its resolver tells it to containers.
    networking.hosts."203.0.113.10" = [ "public.test" ];
    networking.interfaces.eth1.ipv4.routes =
      map
        (destination: {
          inherit (destination) address prefixLength;
          via = "192.168.1.2";
        })
        [
          {
            address = "203.0.113.0";
            prefixLength = 24;
          }
          {
            address = "169.254.169.254";
            prefixLength = 32;
          }
        ];
  };

  # A machine of the private network, 192.168.1.2, which plays the internet too,
  # and the metadata service of a cloud.
  nodes.outside = {
    imports = [ answering ];
    networking.interfaces.eth1.ipv4.addresses = [
      {
        address = "203.0.113.10";
        prefixLength = 24;
      }
      {
        address = "169.254.169.254";
        prefixLength = 32;
      }
    ];
  };

  testScript = builtins.readFile ./common/helpers.py + ''
    start_all()
    outside.wait_for_open_port(80)
    host.wait_for_unit("multi-user.target")
    host.wait_for_open_port(80)
    host.succeed("agent build")
    for name in ["one", "two"]:
        host.succeed(f"agent create {name}")
    two = told(host, "agent info two")["address"]
    curl = "curl -sS --fail --max-time 5"
    connects = f"timeout 5 bash -c '</dev/tcp/{two}/22'"

    with subtest("they reach the internet, by name"):
        assert inside(host, "one", "getent hosts public.test").startswith("203.0.113.10")
        assert inside(host, "one", f"{curl} http://public.test/") == "reached"

    with subtest("what they must not reach is there for the host"):
        for address in ["192.168.1.1", "192.168.1.2", "169.254.169.254", "10.100.0.1"]:
            assert host.succeed(f"{curl} http://{address}/") == "reached", address
        host.succeed(connects)

    with subtest("they do not reach it"):
        for address in ["192.168.1.1", "192.168.1.2", "169.254.169.254", "10.100.0.1"]:
            host.fail(f"agent run one -- {curl} http://{address}/")
        host.fail(f"agent run one -- {connects}")

    with subtest("an address that they give themselves gets them nowhere"):
        host.succeed("agent run one --root -- ip address add 10.100.200.7/32 dev eth0")
        host.fail(f"agent run one --root -- {curl} --interface 10.100.200.7 http://203.0.113.10/")

    with subtest("without the firewall no container starts"):
        host.succeed("agent stop two")
        host.succeed("nft delete table inet berth")
        unit = "container@" + told(host, "agent info two")["container"]
        host.fail(f"systemctl start {unit}")
        host.succeed("systemctl reload berth-firewall.service")
        host.succeed("agent start two")
  '';
}
