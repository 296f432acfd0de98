# Previews of branches of a git server in the same network: made, served behind
# Caddy, brought to the next commit, removed.
{ berth, ... }:
let
  static = ../../tests/fixtures/static;
  database = ../../tests/fixtures/database;
in
{
  name = "berth-preview";

  nodes.forge = import ./common/forge.nix;
  nodes.host = {
    imports = [
      (import ./common/preview-host.nix {
        inherit berth;
        sources = [
          static
          database
        ];
      })
    ];
    services.berth.settings.preview.forge = "http://forge/git";
  };

  testScript =
    { nodes, ... }:
    let
      psql = "${nodes.host.services.postgresql.package}/bin/psql";
    in
    builtins.readFile ./common/helpers.py
    + ''
      start_all()
      forge.wait_for_open_port(80)
      add_repository(forge, "site", "${static}")
      add_repository(forge, "counter", "${database}")
      host.wait_for_unit("multi-user.target")
      host.wait_for_unit("caddy.service")
      host.wait_for_unit("postgresql.service")

      with subtest("a branch is served below the domain"):
          as_ada(host, "preview create acme/site main")
          assert page(host, "site-main") == "one\n"
          assert told(host, "preview info site-main")["state"] == "ready"

      with subtest("new code arrives in the container that serves"):
          container = told(host, "preview info site-main")["container"]
          push(forge, "site", "echo two >index.html", "second")
          assert told(host, "preview update site-main")["update"] == "code"
          assert page(host, "site-main") == "two\n"
          assert told(host, "preview info site-main")["container"] == container

      with subtest("a new container takes over"):
          assert told(host, "preview update site-main --force")["update"] == "switched"
          assert page(host, "site-main") == "two\n"
          assert told(host, "preview info site-main")["container"] != container

      with subtest("an app has a database of the host, and nobody else's"):
          host.succeed("preview create acme/counter main")
          assert page(host, "counter-main") == "visits: 1\n"
          assert page(host, "counter-main") == "visits: 2\n"
          def ask(url):
              query = f'. /etc/preview.env && ${psql} -Atc "select 1" "{url}"'
              return f"preview run counter-main -- sh -c {shlex.quote(query)}"

          assert host.succeed(ask("$DATABASE_URL")).strip() == "1"
          for other in ["postgres", "template1"]:
              host.fail(ask(f"''${{DATABASE_URL%/*}}/{other}"))

      with subtest("nothing is left of them"):
          host.succeed("preview destroy --all --yes")
          assert told(host, "preview list") == []
          host.fail(f"curl {site('site-main')}")
          names = host.succeed("psql -U berth -d postgres -Atc 'select datname from pg_database'")
          assert "berth_d" not in names, names
          host.fail("ls /var/lib/berth/caddy/routes/*.caddy")
          is_well(host)
    '';
}
