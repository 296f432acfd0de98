# The outputs of a flake as it lies in its folder, from inputs that are given: no
# lock file is read, nothing is fetched and nothing is copied.
{
  nixpkgs,
  disko ? null,
  source ? ../..,
}:
let
  load =
    folder: inputs:
    let
      flake = import (folder + "/flake.nix");
      named = builtins.functionArgs flake.outputs;
      # What `outputs` does not name it may still look for, by `...`.
      given =
        if named == { } then inputs else builtins.intersectAttrs (named // flake.inputs or { }) inputs;
      outputs = flake.outputs (given // { inherit self; });
      self = outputs // {
        _type = "flake";
        inherit inputs;
        outPath = toString folder;
        rev = "0000000000000000000000000000000000000000";
        shortRev = "0000000";
        lastModified = 0;
        lastModifiedDate = "19700101000000";
        narHash = "";
        sourceInfo = { };
      };
    in
    self;

  inputs = {
    nixpkgs = load nixpkgs { };
    disko =
      if disko == null then
        throw "this needs disko: give its tree as BERTH_DISKO"
      else
        load disko { inherit (inputs) nixpkgs; };
  };
in
load source inputs
