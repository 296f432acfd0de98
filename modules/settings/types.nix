# Types of the texts in `berth.toml`: what is no such text is refused with the
# name of the option, before anything is built.
{ lib }:
let
  amounts = import ../../nix/lib/amounts.nix;
  subnet = import ../../nix/lib/subnet.nix;
  grammar = import ../../nix/lib/grammar.nix;

  text =
    description: isGood:
    lib.mkOptionType {
      name = "text";
      inherit description;
      descriptionClass = "noun";
      check = value: lib.isString value && isGood value;
      merge = lib.mergeEqualOption;
    };
  amount = description: read: text description (value: read value != null);
in
{
  duration = amount ''duration in quotes, such as "30s", "2m" or "1h 30m"'' amounts.duration;
  ttl = amount ''time to live in quotes, 1m to 366d, such as "8h", "14d" or "2d 12h"'' amounts.ttl;
  memory = amount ''amount of memory in quotes, "64M" or more, such as "512M" or "4G"'' amounts.memory;
  cpus = amount ''number of CPUs in quotes, 0.1 to 1024, such as "2" or "1.5"'' amounts.cpus;
  tasks = lib.types.ints.between 32 4194304;

  # A path in Nix' own syntax is taken too, so that the assertion about secrets
  # can say what is wrong with it.
  file = lib.mkOptionType {
    name = "file";
    description = "absolute path of the host in quotes";
    descriptionClass = "noun";
    check = value: builtins.isPath value || lib.isString value && grammar.isPath value;
    merge = lib.mergeEqualOption;
  };

  # Which networks can serve, an assertion tells with the reason.
  subnet = text ''network in quotes, such as "10.100.0.0/16"'' subnet.isNetwork;

  label = text ''name of 1 to 63 of a-z, 0-9 and -, such as "shop"'' grammar.isLabel;
  domain = text ''domain in lower case, such as "preview.example.com"'' grammar.isDomain;
  host = text ''host name or address, such as "berth.example.com"'' grammar.isHost;
  flake = text ''flake reference without "#", such as "path:/etc/berth/closures"'' grammar.isFlake;
  repository = text ''repository, such as "acme/shop"'' grammar.isRepository;
  repositories = text ''repository or all of an account, such as "acme/shop" or "acme/*"'' grammar.isRepositories;
  variable = text ''name of an environment variable, such as "STRIPE_KEY"'' grammar.isVariable;
  authorizedKey = text ''public key without options, such as "ssh-ed25519 AAAA… ada"'' grammar.isAuthorizedKey;
  credential = text ''file name of 1 to 64 of A-Z, a-z, 0-9, ".", "_" and "-"'' grammar.isCredential;
  forge = text ''base of repositories without a "/" at the end, such as "https://github.com"'' grammar.isForge;
  api = text ''base of an API without a "/" at the end, such as "https://api.github.com"'' grammar.isApi;
  app = text ''number or client id of a GitHub App, such as "Iv23liAbC"'' grammar.isApp;
  pullLabel = text "label of a pull request, 1 to 50 characters" grammar.isPullLabel;
  adminAddress = text ''admin address of Caddy, such as "unix//run/caddy/admin.sock"'' grammar.isAdminAddress;
  role = text "PostgreSQL role of 1 to 63 of a-z, 0-9 and _" grammar.isRole;
  dnsProvider = text ''Caddy module of a DNS provider, such as "cloudflare"'' grammar.isDnsProvider;
}
