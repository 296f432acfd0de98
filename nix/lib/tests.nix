# Tests of the pure helpers, on built-in functions alone:
#   nix-instantiate --eval --strict --json nix/lib/tests.nix
# prints the cases that fail, `[]` when all is well.
let
  inherit (builtins)
    attrNames
    concatMap
    filter
    ;

  suites = {
    amounts = import ./tests/amounts.nix;
    grammar = import ./tests/grammar.nix;
    secret-file = import ./tests/secret-file.nix;
    subnet = import ./tests/subnet.nix;
    toml = import ./tests/toml.nix;
  };

  failuresOf =
    suite:
    let
      cases = suites.${suite};
      failed = filter (name: cases.${name}.is != cases.${name}.wanted) (attrNames cases);
    in
    map (name: {
      test = "${suite}: ${name}";
      inherit (cases.${name}) is wanted;
    }) failed;
in
concatMap failuresOf (attrNames suites)
