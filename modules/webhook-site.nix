# The site of Caddy through which GitHub reaches `preview-webhook`.
{ config, lib, ... }:
let
  cfg = config.services.berth;
  site = cfg.webhook;
  preview = cfg.settings.preview;
  types = import ./settings/types.nix { inherit lib; };

  # Within double quotes, a quote is all that needs an escape.
  quoted = path: ''"${lib.replaceStrings [ ''"'' ] [ ''\"'' ] (toString path)}"'';

  # From 2.10 on Caddy takes the certificate of `*.DOMAIN` for a host below it,
  # and before it never does: there the word is an error.
  takesWildcard = lib.versionAtLeast (lib.getVersion config.services.caddy.package) "2.10";

  tls = {
    own = lib.optionalString takesWildcard "tls force_automate\n";
    internal = "tls internal\n";
    preview = lib.optionalString (
      preview.tls.mode == "files"
    ) "tls ${quoted preview.tls.certificate} ${quoted preview.tls.key}\n";
  };

  # `webhook.preview.example.com` is covered by `*.preview.example.com`, and
  # what has one label more is not.
  label = lib.removeSuffix ".${preview.domain}" site.hostName;
  isCovered = label != site.hostName && !(lib.hasInfix "." label);
in
{
  options.services.berth.webhook = {
    hostName = lib.mkOption {
      type = types.domain;
      default = if preview == null then "webhook.localhost" else "webhook.${preview.domain}";
      defaultText = lib.literalExpression ''"webhook.''${config.services.berth.settings.preview.domain}"'';
      example = "hooks.example.com";
      description = ''
        Host name to which GitHub sends: `https://webhook.preview.example.com/webhook/github`. Below
        the domain of previews no preview can take the name `webhook`; add another one to
        `settings.preview.reserved`.
      '';
    };

    certificate = lib.mkOption {
      type = lib.types.enum [
        "own"
        "preview"
        "internal"
      ];
      default = if preview == null || preview.tls.mode == "internal" then "own" else "preview";
      defaultText = lib.literalMD ''`"preview"`, or `"own"` when `settings.preview.tls.mode` is `"internal"`'';
      example = "own";
      description = ''
        Which certificate GitHub is shown: with `own` Caddy asks a public authority for one, for which
        this host must be reachable at its ports 80 or 443; `preview` is the one of the previews;
        `internal` is signed by Caddy's own authority, which GitHub does not know: for tests, and
        behind something that takes it.
      '';
    };
  };

  config = lib.mkIf (cfg.enable && site.enable && cfg.caddy.enable && preview != null) {
    assertions = [
      {
        assertion = site.certificate != "preview" || isCovered;
        message = "services.berth.webhook.hostName: the certificate of `*.${preview.domain}` is not one of `${site.hostName}`: take a name with one label before `${preview.domain}`, or set services.berth.webhook.certificate = \"own\"";
      }
      {
        assertion = isCovered -> label == "webhook" || lib.elem label preview.reserved;
        message = "services.berth.webhook.hostName: a preview could be called `${label}` and never be reached: add that to services.berth.settings.preview.reserved, or leave the name at `webhook.${preview.domain}`";
      }
      {
        assertion = site.certificate != "preview" || preview.tls.mode != "internal";
        message = "services.berth.webhook.certificate: `preview` is one of Caddy's own authority, as services.berth.settings.preview.tls.mode is `internal`, and GitHub does not know that: take `own`";
      }
    ];

    services.caddy.virtualHosts.${site.hostName} = {
      # Strangers could fill a log of requests; the program tells what it refuses.
      logFormat = lib.mkDefault "output discard";
      extraConfig =
        tls.${site.certificate}
        + lib.replaceStrings [ "127.0.0.1:9000" ] [ site.listen ] (
          builtins.readFile ../caddy/webhook.caddy
        );
    };
  };
}
