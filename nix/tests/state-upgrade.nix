# The records of the first Berth are taken over by this one, agents and all; and
# records of a newer one are not touched.
{ berth, ... }:
let
  migrations = ../../crates/host/migrations;
  newest = builtins.length (builtins.attrNames (builtins.readDir migrations));

  # What the first schema had, copied from records of today.
  older = builtins.toFile "older.sql" ''
    PRAGMA journal_mode = WAL;
    PRAGMA application_id = 1113944692;
    PRAGMA user_version = 1;
    ATTACH '/var/lib/berth/state/berth.db' AS today;
    INSERT INTO closures (id, kind, source, begun_at, build_lock, system, built_at, is_current)
    SELECT id, kind, source, begun_at, build_lock, system, built_at, is_current
    FROM today.closures;
    INSERT INTO berths (id, kind, slot, name, phase, wanted, reason, closure_id, memory, cpus,
                        tasks, host_key, health, failed_units, created_by, created_at, expires_at)
    SELECT id, kind, slot, name, phase, wanted, reason, closure_id, memory, cpus,
           tasks, host_key, health, failed_units, created_by, created_at, expires_at
    FROM today.berths;
    INSERT INTO events (id, at, actor, kind, name, container, action, outcome, detail)
    SELECT id, at, actor, kind, name, container, action, outcome, detail FROM today.events;
  '';
in
{
  name = "berth-state-upgrade";

  nodes.host = import ./common/host.nix { inherit berth; };

  testScript = builtins.readFile ./common/helpers.py + ''
    database = "/var/lib/berth/state/berth.db"

    def version():
        return host.succeed(f"sqlite3 -readonly {database} 'PRAGMA user_version'").strip()

    host.wait_for_unit("multi-user.target")
    host.succeed("agent build")
    host.succeed("agent create kept")
    inside(host, "kept", "echo mine >~/workspace")
    before = told(host, "agent info kept")
    events = told(host, "agent events")
    host.succeed("agent stop kept", "systemctl stop berthd.service")

    with subtest("the host has the records of the first Berth"):
        host.succeed(
            "cd /root && sqlite3 older.db <${migrations}/0001_agents.sql && sqlite3 older.db <${older}",
            f"rm {database}*",
            "sqlite3 /root/older.db 'PRAGMA wal_checkpoint(TRUNCATE)'",
            f"install -m 600 /root/older.db {database}",
        )
        assert version() == "1"

    with subtest("they are brought up to date, and nothing is lost"):
        host.succeed("systemctl start berthd.service")
        host.wait_for_unit("berthd.service")
        after = told(host, "agent info kept")
        assert version() == "${toString newest}"
        for key in ["name", "container", "address", "closure", "created_at", "host_key", "limits"]:
            assert after[key] == before[key], key
        known = {json.dumps(one, sort_keys=True) for one in told(host, "agent events")}
        assert {json.dumps(one, sort_keys=True) for one in events} <= known
        host.succeed("agent start kept")
        assert inside(host, "kept", "cat ~/workspace") == "mine\n"
        is_well(host)

    with subtest("records of a newer Berth are refused and not touched"):
        host.succeed("systemctl stop berthd.service", f"sqlite3 {database} 'PRAGMA user_version = 99'")
        said = host.fail("agent list 2>&1")
        assert "a newer Berth" in said, said
        assert version() == "99"
        host.succeed("systemctl is-active 'container@*'")
  '';
}
