# The whole chain: a pull request on GitHub, its delivery through
# preview-webhook and berthd, the preview, the comment, the end.
{ berth, ... }:
let
  static = ../../tests/fixtures/static;
in
{
  name = "berth-webhook";

  nodes.host.imports = [
    (import ./common/preview-host.nix {
      inherit berth;
      sources = [ static ];
    })
    ./common/pull-requests.nix
  ];

  testScript = builtins.readFile ./common/helpers.py + ''
    def comment():
        """What Berth's comment on the pull request says."""
        own = [
            one
            for one in github(host, "comments", repo="acme/site", number=1)
            if one["by"] == "berth-previews[bot]" and not one["deleted"]
        ]
        assert len(own) <= 1, own
        return own[0]["texts"][-1] if own else ""

    def says(words):
        retry(lambda _last: words in comment(), 300)

    host.wait_for_unit("multi-user.target")
    host.wait_for_open_port(8429)
    host.wait_for_unit("preview-webhook.service")
    host.wait_for_unit("berthd.service")

    with subtest("the webhook is reached through Caddy, and only it"):
        ask = "curl -sS --insecure --resolve webhook.preview.test:443:127.0.0.1 -o /dev/null -w '%{http_code}'"
        hook = "https://webhook.preview.test/webhook/github"
        assert host.succeed(f"{ask} -X POST {hook}") == "415"
        assert host.succeed(f"{ask} -X POST -H 'Content-Type: application/json' -d '{{}}' {hook}") == "401"
        assert host.succeed(f"{ask} https://webhook.preview.test/readyz") == "404"

    with subtest("a pull request gets a preview"):
        add_to_github(host, "${static}")
        github(
            host,
            "hooks",
            url="http://127.0.0.1:9000/webhook/github",
            secret="a-secret-of-32-bytes-or-even-more",
        )
        github(host, "push", repo="acme/site", branch="fix", files={"index.html": "fixed\n"}, by="ada")
        assert github(host, "open", repo="acme/site", branch="fix", by="ada")["number"] == 1
        settles(host, "site-1", "fixed")
        says("Preview: ready")

    with subtest("a push updates it"):
        github(host, "push", repo="acme/site", branch="fix", files={"index.html": "better\n"}, by="ada")
        settles(host, "site-1", "better")

    with subtest("a stranger's pull request waits, and gets none before somebody approves it"):
        github(host, "fork", repo="acme/site", to="mallory/site")
        github(host, "push", repo="mallory/site", branch="evil", files={"index.html": "evil\n"}, by="mallory")
        github(host, "open", repo="acme/site", **{"from": "mallory/site"}, branch="evil", by="mallory")
        github(host, "settle")
        host.wait_until_succeeds("preview jobs --all --json | jq -e 'any(.pull == 2)'", timeout=60)
        host.wait_until_succeeds("preview jobs --json | jq -e '. == []'", timeout=120)
        assert [one["slug"] for one in told(host, "preview list")] == ["site-1"]

    with subtest("closing it removes it"):
        github(host, "close", repo="acme/site", number=1)
        host.wait_until_succeeds("preview list --json | jq -e '. == []'", timeout=120)
        says("Preview: removed")

    with subtest("neither program ever failed by itself"):
        for unit in ["berthd", "preview-webhook"]:
            restarts = host.succeed(f"systemctl show --property NRestarts --value {unit}").strip()
            assert restarts == "0", f"{unit} was restarted {restarts} times"
        is_well(host)
  '';
}
