# An agent's whole life, through the hands of an operator.
{ berth, ... }:
{
  name = "berth-agent-life";

  nodes.host = import ./common/host.nix { inherit berth; };

  testScript = builtins.readFile ./common/helpers.py + ''
    host.wait_for_unit("multi-user.target")
    host.wait_for_unit("berth-firewall.service")

    with subtest("the system of agents is built once"):
        as_ada(host, "agent build")
        is_well(host)

    with subtest("an agent is made and entered"):
        as_ada(host, "agent create fix-login --memory 512M --tasks 500")
        assert as_ada(host, "agent ssh fix-login -- hostname").strip() == "fix-login"
        assert inside(host, "fix-login", "id -un").strip() == "agent"
        inside(host, "fix-login", "echo mine >~/workspace")

    with subtest("its limits are properties of its unit"):
        unit = "container@" + told(host, "agent info fix-login")["container"]
        shown = host.succeed(f"systemctl show --property MemoryMax,TasksMax {unit}")
        assert "MemoryMax=536870912" in shown and "TasksMax=500" in shown, shown

    with subtest("root inside is nobody on the host"):
        container = told(host, "agent info fix-login")["container"]
        leader = host.succeed(f"machinectl show --property Leader --value {container}").strip()
        assert host.succeed("agent run fix-login --root -- id -u").strip() == "0"
        owner = host.succeed(f"stat --format %u /proc/{leader}").strip()
        assert owner != "0", owner

    with subtest("it is paused and resumed with its files"):
        as_ada(host, "agent stop fix-login")
        assert told(host, "agent info fix-login")["state"] == "stopped"
        host.fail("agent ssh fix-login -- true")
        as_ada(host, "agent start fix-login")
        assert inside(host, "fix-login", "cat ~/workspace") == "mine\n"

    with subtest("a reboot from inside keeps it too"):
        host.execute("agent run fix-login --root -- systemctl reboot")
        host.wait_until_succeeds("agent ssh fix-login -- cat workspace | grep mine", timeout=120)

    with subtest("nothing is left of it"):
        as_ada(host, "agent destroy fix-login")
        assert told(host, "agent list") == []
        host.fail("ls /etc/nixos-containers/*.conf")
        host.fail("ls -d /var/lib/nixos-containers/*")
        host.fail("ip -o link | grep -F ve-a")
        is_well(host)

    with subtest("it is known who did what"):
        done = {(one["action"], one["actor"]) for one in told(host, "agent events fix-login")}
        assert {("create", "ada"), ("destroy", "ada")} <= done, done

    with subtest("an operator may do nothing else as root"):
        host.fail("su - ada -c 'sudo -n true'")
        host.fail("su - ada -c 'agent list --config /etc/shadow'")
  '';
}
