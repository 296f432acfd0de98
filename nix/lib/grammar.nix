# What the texts of `berth.toml` may be, as Berth's programs read them. Each is
# a function from a text to whether it is one.
let
  inherit (builtins)
    elem
    elemAt
    filter
    isString
    length
    match
    split
    stringLength
    ;

  fits = pattern: text: match pattern text != null;
  lengthUpTo = most: text: stringLength text >= 1 && stringLength text <= most;

  label = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";
  owner = "[A-Za-z0-9][A-Za-z0-9_-]{0,38}";
  web = "[A-Za-z0-9._:/-]|\\[|]";
in
rec {
  # A file or folder of the host, as text.
  isPath = fits "/[^[:cntrl:]]*";

  # The name of an agent, a slug: one label of a host name, in lower case.
  isLabel = fits label;

  # Two or more labels, not an address. 189 leaves room for a label in front.
  isDomain =
    text:
    let
      labels = filter isString (split "[.]" text);
      count = length labels;
    in
    lengthUpTo 189 text
    && count >= 2
    && filter (one: !(isLabel one)) labels == [ ]
    && !(fits "[0-9]+" (elemAt labels (count - 1)));

  # A flake reference without `#`.
  isFlake = fits "[!\"$-,./0-~][!\"$-~]*";

  # A host name or an address, with a user or a port if need be.
  isHost = fits "[A-Za-z0-9.:@_][A-Za-z0-9.:@_-]*";

  # `owner/name`.
  isRepository =
    text:
    let
      name = elemAt (match "[^/]*/(.*)" text) 0;
    in
    fits "${owner}/[A-Za-z0-9._-]{1,100}" text
    && !(elem name [
      "."
      ".."
    ])
    && !(fits ".*[.][gG][iI][tT]" name);

  # `owner/name` or `owner/*`.
  isRepositories = text: fits "${owner}/[*]" text || isRepository text;

  # An environment variable. Those that shells keep for themselves are left to
  # the programs' own check.
  isVariable = fits "[A-Za-z_][A-Za-z0-9_]{0,127}";

  # A line of an `authorized_keys` file, without options.
  isAuthorizedKey = fits "(ssh-|ecdsa-sha2-|sk-)[^[:space:]]* +AAAA[A-Za-z0-9+/=]*( [^[:cntrl:]]*)?";

  # A file name in the folder of credentials.
  isCredential = fits "[A-Za-z0-9][A-Za-z0-9._-]{0,63}";

  # The base of repositories' addresses.
  isForge =
    text: fits "(https?://|file:///)(${web})+" text && !(fits "(https?://|file:///)-.*|.*/" text);

  # The base of an API's addresses.
  isApi = text: fits "https?://([A-Za-z0-9]|\\[)(${web})*" text && !(fits ".*/" text);

  # The number or the client id of an App.
  isApp = fits "[A-Za-z0-9.]{1,64}";

  # A label of a pull request. GitHub counts 50 characters, this counts
  # bytes: a character has four at most.
  isPullLabel =
    text: lengthUpTo 200 text && fits "[^[:cntrl:][:space:]]([^[:cntrl:]]*[^[:cntrl:][:space:]])?" text;

  # An admin endpoint, as `caddy reload --address` takes it.
  isAdminAddress = text: fits "(${web})+" text && !(fits "-.*" text);

  # A role of PostgreSQL.
  isRole = fits "[a-z0-9_]{1,63}";

  # A module of Caddy for a DNS provider.
  isDnsProvider = fits "[a-z0-9_]{1,64}";
}
