# Adds `pkgs.berth`.
final: _prev: { berth = final.callPackage ./package.nix { }; }
