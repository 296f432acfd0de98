# Wrong settings of a host, and what is said of each: `expected` is a regular
# expression that what forcing `attempt` throws, or one of the failed assertions
# that it is, has in it. Each case changes one thing of a host that is good, so
# that it is refused for its own fault.
{
  nixpkgs,
  disko ? null,
}:
let
  inherit (import ./system.nix { inherit nixpkgs disko; })
    lib
    host
    facts
    ;

  evaluate =
    module:
    let
      inherit
        (facts (host [
          good
          module
        ]))
        failed
        drv
        ;
    in
    # What is forced for a host that nobody refuses.
    if failed == [ ] then drv else failed;

  # Defaults, so that a case can say another thing.
  good.services.berth = {
    enable = true;
    settings = {
      agent.credential = [
        {
          name = "claude";
          source = "/run/secrets/claude";
        }
      ];
      preview = {
        domain = lib.mkDefault "preview.example.com";
        secret = [
          {
            name = "STRIPE_KEY";
            source = "/run/secrets/stripe";
            repositories = [ "acme/shop" ];
          }
        ];
      };
      github = lib.mkDefault {
        app_id = 4711;
        app_key = "/run/secrets/app.pem";
        webhook_secret = "/run/secrets/webhook";
        repositories = [ "acme/*" ];
      };
    };
  };

  case = expected: module: {
    inherit expected;
    attempt = evaluate module;
  };
  berth = expected: settings: case expected { services.berth = settings; };
  setting = expected: settings: berth expected { inherit settings; };
  preview = expected: settings: setting expected { preview = settings; };
  tls = expected: settings: preview expected { tls = settings; };
  # Of GitHub all but what is wrong.
  github =
    expected: settings:
    setting expected {
      github = {
        app_id = 4711;
        app_key = "/run/secrets/app.pem";
        webhook_secret = "/run/secrets/webhook";
        repositories = [ "acme/*" ];
      }
      // settings;
    };
  credential =
    expected: one:
    setting expected {
      agent.credential = [
        (
          {
            name = "deploy";
            source = "/run/secrets/deploy";
          }
          // one
        )
      ];
    };
  secret =
    expected: one:
    preview expected {
      secret = [
        (
          {
            name = "SENTRY_DSN";
            source = "/run/secrets/sentry";
            repositories = [ "acme/shop" ];
          }
          // one
        )
      ];
    };

  # A type tells the option and what it wants.
  notA = option: wanted: "option `services[.]berth[.]${option}' is not of type `.*${wanted}";
  noOption = option: "option `services[.]berth[.]${option}' does not exist";
  inStore = option: "${option} is /nix/store/.*: it would be readable by everybody in the Nix store";
  stored = "/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqs00-secret";
in
{
  # What the cases change one thing of.
  works = evaluate { };

  cases = {
    # Keys that are none.
    unknownOption = berth (noOption "agents") { agents = true; };
    unknownSetting = setting (noOption "settings[.]subnets") { subnets = "10.0.0.0/16"; };
    unknownKeyOfPreview = preview (noOption "settings[.]preview[.]domains") {
      domains = [ "example.com" ];
    };
    unknownKeyOfGithub = github (noOption "settings[.]github[.]repos") { repos = [ "acme/*" ]; };
    unknownKeyOfTls = tls (noOption "settings[.]preview[.]tls[.]cert") { cert = "/run/secrets/a"; };

    # The network.
    subnetIsAnAddress = setting (notA "settings[.]subnet" "network in quotes") {
      subnet = "10.100.0.1";
    };
    subnetIsTooLarge = setting "services[.]berth[.]settings[.]subnet: `10[.]0[.]0[.]0/8` is a /8" {
      subnet = "10.0.0.0/8";
    };
    subnetIsTooSmall = setting "`10[.]100[.]0[.]0/25` is a /25: take a /16" {
      subnet = "10.100.0.0/25";
    };
    subnetHasHostBits =
      setting "`10[.]100[.]1[.]0/16` has host bits set: its network is `10[.]100[.]0[.]0/16`"
        { subnet = "10.100.1.0/16"; };
    subnetIsPublic = setting "`203[.]0[.]0[.]0/16` is not private" { subnet = "203.0.0.0/16"; };
    subnetIsTheHosts =
      case
        "settings[.]subnet is \"10[.]100[.]0[.]0/16\", and networking[.]interfaces[.]eth0 has 10[.]100[.]3[.]4 in it"
        {
          networking.interfaces.eth0.ipv4.addresses = [
            {
              address = "10.100.3.4";
              prefixLength = 24;
            }
          ];
        };
    resolverIsSwitchedOff =
      case
        "services[.]berth[.]network[.]resolver is \"resolved\", and services[.]resolved[.]enable is false"
        { services.resolved.enable = false; };
    resolverIsUnknown = berth (notA "network[.]resolver" "one of \"resolved\", \"none\"") {
      network.resolver = "unbound";
    };
    interfaceHasATooLongName = berth (notA "network[.]servicesInterface" "string matching") {
      network.servicesInterface = "berth-services-address";
    };
    buildsWithoutTheirGroup =
      case "nix[.]settings[.]auto-allocate-uids is true, and services[.]berth[.]buildEgress"
        { nix.settings.auto-allocate-uids = true; };
    buildsReachAName = berth (notA "buildEgress[.]allowedDestinations[.].*" "string matching") {
      buildEgress.allowedDestinations = [ "mirror.example.com" ];
    };

    # Amounts and texts.
    closuresNameAnOutput = setting (notA "settings[.]closures" "flake reference without \"#\"") {
      closures = "path:/etc/berth/closures#agent";
    };
    memoryWithoutAUnit = setting (notA "settings[.]agent[.]memory" "amount of memory") {
      agent.memory = 4;
    };
    tooFewCpus = setting (notA "settings[.]agent[.]cpus" "number of CPUs") { agent.cpus = "0.01"; };
    ttlIsTooLong = setting (notA "settings[.]agent[.]ttl" "time to live") { agent.ttl = "10y"; };
    deadlineIsANumber = setting (notA "settings[.]deadlines[.]boot" "duration") {
      deadlines.boot = 120;
    };
    tooManyWorkers = setting (notA "settings[.]daemon[.]workers" "integer between 1 and 64") {
      daemon.workers = 0;
    };
    domainIsAnAddress = preview (notA "settings[.]preview[.]domain" "domain in lower case") {
      domain = "https://preview.example.com";
    };
    forgeEndsInASlash = preview (notA "settings[.]preview[.]forge" "without a \"/\" at the end") {
      forge = "https://github.com/";
    };
    repositoryIsAUrl = preview (notA "settings[.]preview[.]default_repository" "repository, such as") {
      default_repository = "https://github.com/acme/shop";
    };
    keyHasOptions =
      setting (notA "settings[.]agent[.]authorized_keys[.].*" "public key without options")
        {
          agent.authorized_keys = [
            "command=\"true\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDBbkWSHdcqJtVx1AQPZ2kZwD6JB3rGxKw6f9MS0l4lw"
          ];
        };

    # Files with secrets.
    credentialIsInTheStore = credential (inStore "agent[.]credential \\(deploy\\)[.]source") {
      source = stored;
    };
    credentialWouldBeCopied =
      credential
        "agent[.]credential \\(deploy\\)[.]source is .*/secret-file[.]nix without quotes, so Nix would copy the file"
        { source = ../lib/secret-file.nix; };
    credentialIsRelative =
      credential (notA "settings[.]agent[.]credential[.].*[.]source" "absolute path of the host")
        { source = "secrets/deploy"; };
    credentialIsThereTwice = credential "agent[.]credential has \"claude\" twice" { name = "claude"; };
    credentialLeavesItsFolder =
      credential (notA "settings[.]agent[.]credential[.].*[.]name" "file name")
        {
          name = "../shadow";
        };
    credentialForEverybody =
      credential (notA "settings[.]agent[.]credential[.].*[.]mode" "one of \"0400\", \"0600\"")
        { mode = "0644"; };
    tokenIsInTheStore = preview (inStore "settings[.]preview[.]token") { token = stored; };
    keyIsInTheStore = tls (inStore "settings[.]preview[.]tls[.]key") {
      mode = "files";
      certificate = "/run/secrets/origin.pem";
      key = stored;
    };
    appKeyIsInTheStore = github (inStore "settings[.]github[.]app_key") { app_key = stored; };
    webhookSecretIsInTheStore = github (inStore "settings[.]github[.]webhook_secret") {
      webhook_secret = stored;
    };
    secretIsInTheStore = secret (inStore "settings[.]preview[.]secret \\(SENTRY_DSN\\)[.]source") {
      source = stored;
    };
    environmentFileIsInTheStore = berth (inStore "caddy[.]environmentFile") {
      caddy.environmentFile = stored;
    };
    secretHasNoVariable =
      secret (notA "settings[.]preview[.]secret[.].*[.]name" "environment variable")
        {
          name = "sentry-dsn";
        };
    secretIsNobodys = secret "preview[.]secret \\(SENTRY_DSN\\)[.]repositories is empty" {
      repositories = [ ];
    };
    secretIsThereTwice = secret "settings[.]preview[.]secret has \"STRIPE_KEY\" twice" {
      name = "STRIPE_KEY";
    };
    secretIsForAnAccount =
      secret (notA "settings[.]preview[.]secret[.].*[.]repositories[.].*" "repository, such as")
        { repositories = [ "acme/*" ]; };

    # Previews.
    domainIsMissing =
      case
        "option `services[.]berth[.]settings[.]preview[.]domain' (is used but not defined|was accessed but has no value defined)"
        { services.berth.settings.preview = lib.mkForce { ttl = "14d"; }; };
    tlsOfAnUnknownMode = tls (notA "settings[.]preview[.]tls[.]mode" "one of") {
      mode = "letsencrypt";
    };
    tlsWithoutAKey =
      tls "settings[.]preview[.]tls[.]mode is \"files\": set .*[.]certificate and .*[.]key too"
        {
          mode = "files";
          certificate = "/run/secrets/origin.pem";
        };
    tlsWithoutADnsModule = tls "settings[.]preview[.]tls[.]mode is \"acme\": set .*[.]dns and" {
      mode = "acme";
    };
    tlsHasAKeyThatIsNotUsed =
      tls "settings[.]preview[.]tls[.]key is \"/run/secrets/origin.key\", and is for the mode \"files\""
        { key = "/run/secrets/origin.key"; };
    acmeWithoutItsToken =
      tls "services[.]berth[.]caddy[.]environmentFile: Caddy gets no `CLOUDFLARE_TOKEN`"
        {
          mode = "acme";
          dns = "cloudflare";
          token_variable = "CLOUDFLARE_TOKEN";
        };
    tokenForPreviewsIsMissing =
      preview "preview[.]token_repositories is \\[\"acme/old\"\\], and there is no token"
        { token_repositories = [ "acme/old" ]; };
    caddyIsWithoutPreviews = case "services[.]berth[.]caddy[.]enable: there is nothing to serve" {
      services.berth = {
        caddy.enable = true;
        settings = {
          preview = lib.mkForce null;
          github = lib.mkForce null;
        };
      };
    };
    databasesAreWithoutPreviews =
      case "services[.]berth[.]postgres[.]enable: there are no databases without previews"
        {
          services.berth = {
            postgres.enable = true;
            settings = {
              preview = lib.mkForce null;
              github = lib.mkForce null;
            };
          };
        };
    caddyfileIsElsewhere =
      preview "settings[.]preview[.]caddy[.]config: `/etc/caddy/Caddyfile` is not where NixOS puts"
        { caddy.config = "/etc/caddy/Caddyfile"; };
    adminIsOpen = preview "settings[.]preview[.]caddy[.]admin: .* is not in the folder" {
      caddy.admin = "unix//tmp/admin.sock";
    };
    secondAdmin = case "services[.]caddy[.]globalConfig: `admin off` is a second admin endpoint" {
      services.caddy.globalConfig = "admin off";
    };
    siteOfThePreviews =
      case "services[.]caddy[.]virtualHosts: `[*][.]preview[.]example[.]com` is the site of the previews"
        { services.caddy.virtualHosts."*.preview.example.com".extraConfig = "respond hello"; };
    caddyStartsWithOldRoutes = case "services[.]caddy[.]resume: `true`" {
      services.caddy.resume = true;
    };
    postgresIsElsewhere = case "services[.]postgresql[.]settings[.]port: `5433` is not 5432" {
      services.postgresql.settings.port = 5433;
    };
    postgresDoesNotListen =
      case "services[.]postgresql[.]settings[.]listen_addresses: `localhost` lacks `10[.]100[.]0[.]1`"
        { services.postgresql.settings.listen_addresses = lib.mkForce "localhost"; };
    postgresTrustsEverybody =
      case "services[.]postgresql[.]authentication: other rules come before those of Berth"
        { services.postgresql.authentication = lib.mkForce "host all all all trust"; };
    tooFewConnections = berth (notA "postgres[.]maxConnections" "integer between") {
      postgres.maxConnections = 10;
    };

    # Pull requests.
    pullsWithoutPreviews = case "settings[.]github is set, and .*settings[.]preview is not" {
      services.berth.settings.preview = lib.mkForce null;
    };
    twoIdentities = github "settings[.]github needs either `token`, or .*: both are set" {
      token = "/run/secrets/github";
    };
    noIdentity = github "settings[.]github needs either `token`, or .*: neither is set" {
      app_id = null;
      app_key = null;
    };
    halfAnApp = github "settings[.]github needs either `token`, or .*: `app_key` is missing" {
      app_key = null;
    };
    noRepositories = github "settings[.]github[.]repositories is empty" { repositories = [ ]; };
    allRepositories =
      github (notA "settings[.]github[.]repositories[.].*" "repository or all of an account")
        {
          repositories = [ "*" ];
        };
    oneLabelForBoth = github "settings[.]github[.]label_forbid is \"Preview\", the label that forces" {
      label_forbid = "Preview";
    };
    draftsOfAnotherKind = github (notA "settings[.]github[.]drafts" "one of \"deploy\", \"skip\"") {
      drafts = "yes";
    };
    previousSecretIsTheCurrent =
      github "settings[.]github[.]webhook_secret_previous is .*, the file of the current"
        {
          webhook_secret_previous = "/run/secrets/webhook";
        };
    apiEndsInASlash = github (notA "settings[.]github[.]api" "without a \"/\" at the end") {
      api = "https://api.github.com/";
    };
    webhookWithoutPulls = case "services[.]berth[.]webhook[.]enable: nobody would take what it stores" {
      services.berth = {
        webhook.enable = true;
        settings.github = lib.mkForce null;
      };
    };
    webhookForTheInternet = berth (notA "webhook[.]listen" "string matching") {
      webhook.listen = "0.0.0.0:9000";
    };
    webhookSecretIsInTheStoreByItself = berth (inStore "webhook[.]secretFile") {
      webhook.secretFile = stored;
    };
    webhookIsNotCovered =
      case
        "services[.]berth[.]webhook[.]hostName: the certificate of `[*][.]preview[.]example[.]com` is not one of `hooks[.]example[.]com`"
        {
          services.berth = {
            webhook.hostName = "hooks.example.com";
            settings.preview.tls = {
              mode = "files";
              certificate = "/run/secrets/origin.pem";
              key = "/run/secrets/origin.key";
            };
          };
        };
    webhookShowsAnUnknownAuthority =
      berth "services[.]berth[.]webhook[.]certificate: `preview` is one of Caddy's own authority"
        { webhook.certificate = "preview"; };
    spoolIsElsewhere =
      setting "settings[.]daemon[.]spool: `/srv/spool` is not where preview-webhook stores"
        {
          daemon.spool = "/srv/spool";
        };

    # GPUs.
    fabricManagerOfAnotherDriver =
      case
        "services[.]berth[.]nvidia[.]fabricManager is true and services[.]berth[.]nvidia[.]driver is \"open\""
        {
          imports = [ ../../modules/nvidia.nix ];
          services.berth.nvidia = {
            enable = true;
            fabricManager = true;
          };
        };
    driverIsUnknown = case (notA "nvidia[.]driver" "one of") {
      imports = [ ../../modules/nvidia.nix ];
      services.berth.nvidia = {
        enable = true;
        driver = "nouveau";
      };
    };
    driverThatTheKernelRefuses =
      case
        "boot[.]kernelParams has lockdown=integrity, with which a kernel that checks signatures refuses the NVIDIA"
        {
          imports = [ ../../modules/nvidia.nix ];
          services.berth.nvidia.enable = true;
          boot.kernelParams = [ "lockdown=integrity" ];
        };

    gpuIsADisk = setting (notA "settings[.]gpu[.]devices[.].*" "device node of a GPU") {
      gpu.devices = [ "/dev/sda" ];
    };

    # The rest of the host.
    operatorsWithoutSudo =
      case "services[.]berth[.]operators is \\[\"ada\"\\], and they call .* through sudo"
        {
          services.berth.operators = [ "ada" ];
          security.sudo.enable = false;
        };
    operatorsOutsideWheel = case "services[.]berth[.]operators is \\[\"ada\"\\], and execWheelOnly" {
      services.berth.operators = [ "ada" ];
      security.sudo.execWheelOnly = true;
    };
    operatorIsAGroup = berth (notA "operators[.].*" "string matching") { operators = [ "%wheel" ]; };
    buildsWithoutASandbox = case "nix[.]settings[.]sandbox is false: builds of previews" {
      nix.settings.sandbox = false;
    };
    hostWithoutNix = case "nix[.]enable is false, and Berth builds" { nix.enable = false; };
    stateVersionIsTooOld = case "system[.]stateVersion is \"21[.]11\": before \"22[.]05\"" {
      system.stateVersion = lib.mkForce "21.11";
    };
  };
}
