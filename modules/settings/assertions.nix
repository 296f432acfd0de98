# What Berth's programs would refuse in `berth.toml` and a type cannot see. The
# check at build is the second net.
{ config, lib, ... }:
let
  cfg = config.services.berth;
  settings = cfg.settings;
  subnet = import ../../nix/lib/subnet.nix;
  secretFile = import ../../nix/lib/secret-file.nix;

  option = key: "services.berth.settings.${key}";
  secret = key: value: lib.optional (value != null) (secretFile (option key) value);
  # A path in Nix' own syntax as text: it is not copied.
  show = value: builtins.toJSON (if builtins.isPath value then toString value else value);

  # The first of these names that is there twice.
  repeated = names: lib.findFirst (name: lib.count (other: other == name) names > 1) null names;
  once = key: names: wayOut: {
    assertion = repeated names == null;
    message = "${option key} has ${show (repeated names)} twice: ${wayOut}.";
  };

  network =
    let
      problem = subnet.problem settings.subnet;
      addresses = lib.concatLists (
        lib.mapAttrsToList (
          name: interface:
          map (one: {
            inherit name;
            inherit (one) address;
          }) interface.ipv4.addresses
        ) config.networking.interfaces
      );
      clash = lib.findFirst (one: subnet.contains settings.subnet one.address) null addresses;
    in
    [
      {
        assertion = problem == null;
        message = "${option "subnet"}: ${toString problem}.";
      }
      {
        assertion = clash == null;
        message = "${option "subnet"} is ${show settings.subnet}, and networking.interfaces.${clash.name} has ${clash.address} in it: take another private network.";
      }
    ];

  agent = [
    (once "agent.credential" (map (
      one: one.name
    ) settings.agent.credential) "each needs a name of its own")
  ]
  ++ lib.concatMap (
    one: secret "agent.credential (${one.name}).source" one.source
  ) settings.agent.credential;

  tls =
    one:
    let
      needs = mode: keys: {
        assertion = one.mode == mode -> lib.all (key: one.${key} != null) keys;
        message = "${option "preview.tls.mode"} is ${show mode}: set ${
          lib.concatMapStringsSep " and " (key: option "preview.tls.${key}") keys
        } too.";
      };
      belongsTo = mode: key: {
        assertion = one.${key} != null -> one.mode == mode;
        message = "${option "preview.tls.${key}"} is ${show one.${key}}, and is for the mode ${show mode}: ${option "preview.tls.mode"} is ${show one.mode}. Remove it, or change the mode.";
      };
    in
    [
      (needs "files" [
        "certificate"
        "key"
      ])
      (needs "acme" [
        "dns"
        "token_variable"
      ])
      (belongsTo "files" "certificate")
      (belongsTo "files" "key")
      (belongsTo "acme" "dns")
      (belongsTo "acme" "token_variable")
    ]
    ++ secret "preview.tls.key" one.key;

  preview =
    one:
    tls one.tls
    ++ secret "preview.token" one.token
    ++ [
      {
        assertion = one.token_repositories != [ ] -> one.token != null;
        message = "${option "preview.token_repositories"} is ${show one.token_repositories}, and there is no token to give them: set ${option "preview.token"}. No preview gets what settings.github has.";
      }
      (once "preview.secret" (map (grant: grant.name) one.secret) "list all `repositories` in one")
    ]
    ++ lib.concatMap (
      grant:
      secret "preview.secret (${grant.name}).source" grant.source
      ++ lib.singleton {
        assertion = grant.repositories != [ ];
        message = "${option "preview.secret (${grant.name}).repositories"} is empty: name who gets it, such as \"acme/shop\".";
      }
    ) one.secret;

  github =
    one:
    let
      hasToken = one.token != null;
      hasApp = one.app_id != null && one.app_key != null;
      hasPartOfApp = one.app_id != null || one.app_key != null;
    in
    [
      {
        assertion = settings.preview != null;
        message = "${option "github"} is set, and ${option "preview"} is not: pull requests get previews, so set at least ${option "preview.domain"}.";
      }
      {
        assertion = hasToken && !hasPartOfApp || !hasToken && hasApp;
        message = "${option "github"} needs either `token`, or `app_id` and `app_key` of an App: ${
          if hasToken && hasPartOfApp then
            "both are set"
          else if hasPartOfApp then
            "`${if one.app_id == null then "app_id" else "app_key"}` is missing"
          else
            "neither is set"
        }.";
      }
      {
        assertion = one.repositories != [ ];
        message = "${option "github.repositories"} is empty: name what gets previews, such as \"acme/shop\" or \"acme/*\".";
      }
      {
        assertion = lib.toLower one.label != lib.toLower one.label_forbid;
        message = "${option "github.label_forbid"} is ${show one.label_forbid}, the label that forces a preview: give it another than ${option "github.label"}.";
      }
      {
        assertion = one.webhook_secret != one.webhook_secret_previous;
        message = "${option "github.webhook_secret_previous"} is ${show one.webhook_secret}, the file of the current secret: name that of the one before it, or remove it.";
      }
    ]
    ++ secret "github.token" one.token
    ++ secret "github.app_key" one.app_key
    ++ secret "github.webhook_secret" one.webhook_secret
    ++ secret "github.webhook_secret_previous" one.webhook_secret_previous;
in
{
  config.assertions = lib.optionals cfg.enable (
    network
    ++ agent
    ++ lib.optionals (settings.preview != null) (preview settings.preview)
    ++ lib.optionals (settings.github != null) (github settings.github)
  );
}
