# For each form, what it takes and what it refuses.
let
  grammar = import ../grammar.nix;
  inherit (builtins)
    concatStringsSep
    filter
    genList
    listToAttrs
    attrNames
    ;

  times = count: text: concatStringsSep "" (genList (_: text) count);

  forms = {
    isPath = {
      good = [
        "/"
        "/run/secrets/a b"
        "/ä"
      ];
      bad = [
        ""
        "secrets"
        "./a"
        "/a\nb"
        "/a\n"
      ];
    };
    isLabel = {
      good = [
        "a"
        "fix-login"
        "1"
        (times 63 "a")
      ];
      bad = [
        ""
        "-a"
        "a-"
        "A"
        "a_b"
        "a.b"
        "a\n"
        (times 64 "a")
      ];
    };
    isDomain = {
      good = [
        "preview.example.com"
        "a.b"
        "1.2.3.com"
        "${times 59 "a."}${times 63 "b"}"
      ];
      bad = [
        ""
        "localhost"
        "*.example.com"
        "example.com."
        ".example.com"
        "a..b"
        "10.0.0.1"
        "Example.com"
        "a b.com"
        "${times 80 "a."}${times 30 "b"}"
      ];
    };
    isFlake = {
      good = [
        "path:/etc/berth/closures"
        "github:acme/closures?ref=main"
      ];
      bad = [
        ""
        "-x"
        "a#b"
        "a b"
        "a\nb"
        "ä"
      ];
    };
    isHost = {
      good = [
        "berth.example.com"
        "root@10.0.0.1:22"
        "10.0.0.1"
      ];
      bad = [
        ""
        "-oProxyCommand=id"
        "a b"
        "a;b"
        "[::1]"
      ];
    };
    isRepository = {
      good = [
        "acme/shop"
        "Acme/.github"
        "a_b/-"
        "1/${times 100 "x"}"
      ];
      bad = [
        ""
        "site"
        "a/b/c"
        "-a/b"
        "a/"
        "/b"
        "a/."
        "a/.."
        "a/b.git"
        "a/b.GIT"
        "https://github.com/a/b"
        "a/b\n"
        "${times 40 "a"}/b"
        "a/${times 101 "x"}"
      ];
    };
    isRepositories = {
      good = [
        "acme/shop"
        "acme/*"
      ];
      bad = [
        "*"
        "*/*"
        "acme/s*"
        "acme"
        "/*"
      ];
    };
    isVariable = {
      good = [
        "STRIPE_KEY"
        "_x1"
      ];
      bad = [
        ""
        "STRIPE-KEY"
        "1A"
        "A=B"
        (times 129 "A")
      ];
    };
    isAuthorizedKey = {
      good = [
        "ssh-ed25519 AAAAC3Nza"
        "ssh-ed25519 AAAAC3Nza ada on her laptop"
        "ecdsa-sha2-nistp256 AAAAE2Vj x"
        "sk-ssh-ed25519@openssh.com AAAAGnNr"
      ];
      bad = [
        ""
        "rubbish"
        "ssh-ed25519"
        "ssh-ed25519 BBBB"
        ''command="id" ssh-ed25519 AAAAC3Nza''
        "ssh-ed25519 AAAAC3Nza a\nssh-ed25519 AAAAC3Nza b"
      ];
    };
    isCredential = {
      good = [
        "claude"
        "a.b_c-d"
      ];
      bad = [
        ""
        ".netrc"
        "../passwd"
        "a/b"
        (times 65 "a")
      ];
    };
    isForge = {
      good = [
        "https://github.com"
        "http://[::1]:8418/x"
        "file:///srv/forge"
      ];
      bad = [
        ""
        "https://"
        "https://github.com/"
        "https://user@example.com"
        "ssh://git@example.com"
        "https://-x"
        "file://srv"
        "https://a b"
      ];
    };
    isApi = {
      good = [
        "https://api.github.com"
        "http://127.0.0.1:8080/api/v3"
        "http://[::1]/api/v3"
      ];
      bad = [
        ""
        "https://user@example.com/"
        "https://api.github.com/"
        "https://.x"
        "file:///x"
      ];
    };
    isApp = {
      good = [
        "4242"
        "Iv1.8a61f9b3a7aba766"
        "Iv23liAbC"
      ];
      bad = [
        ""
        "my app"
        "a/b"
        "-1"
        (times 65 "1")
      ];
    };
    isPullLabel = {
      good = [
        "preview"
        "deploy me"
        "ä"
        "x"
      ];
      bad = [
        ""
        " a"
        "a "
        "a\tb"
      ];
    };
    isAdminAddress = {
      good = [
        "unix//run/caddy/admin.sock"
        "localhost:2019"
      ];
      bad = [
        ""
        "--x"
        "a b"
      ];
    };
    isRole = {
      good = [
        "berth"
        "berth_admin1"
      ];
      bad = [
        ""
        "Berth"
        "berth; drop"
        (times 64 "a")
      ];
    };
    isDnsProvider = {
      good = [ "cloudflare" ];
      bad = [
        ""
        "Cloud"
        "a b"
        "a-b"
      ];
    };
  };
in
listToAttrs (
  map (form: {
    name = form;
    value = {
      is = {
        refused = filter (text: !(grammar.${form} text)) forms.${form}.good;
        taken = filter grammar.${form} forms.${form}.bad;
      };
      wanted = {
        refused = [ ];
        taken = [ ];
      };
    };
  }) (attrNames forms)
)
// {
  everyFormIsTested = {
    is = attrNames forms;
    wanted = attrNames grammar;
  };
}
