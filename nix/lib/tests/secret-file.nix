let
  secretFile = import ../secret-file.nix;
  isAllowed = value: (secretFile "a.token" value).assertion;
in
{
  filesOfTheHostAreAllowed = {
    is = map isAllowed [
      "/run/secrets/token"
      "/nix/storex/token"
      "/etc/nix/store"
    ];
    wanted = [
      true
      true
      true
    ];
  };

  whatIsInTheStoreIsRefused = {
    is = map isAllowed [
      "${builtins.storeDir}/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-token"
      builtins.storeDir
      ./toml.nix
    ];
    wanted = [
      false
      false
      false
    ];
  };

  theMessageNamesOptionAndValue = {
    is = builtins.substring 0 30 (secretFile "a.token" "/run/x").message;
    wanted = "a.token is /run/x: it would be";
  };
}
