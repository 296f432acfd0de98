# The same cases as the tests of the programs' own numbering.
let
  subnet = import ../subnet.nix;
in
{
  servicesAddressIsTheFirstUsableOne = {
    is = map subnet.servicesAddress [
      "10.100.0.0/16"
      "192.168.7.0/24"
      "172.31.240.0/20"
    ];
    wanted = [
      "10.100.0.1"
      "192.168.7.1"
      "172.31.240.1"
    ];
  };

  everyHundredAndTwentyEighthSlotIsLeftOut = {
    is = map subnet.berths [
      "10.100.0.0/16"
      "10.9.0.0/20"
      "192.168.7.0/24"
    ];
    wanted = [
      32512
      2032
      127
    ];
  };

  goodSubnetsHaveNoProblem = {
    is = map subnet.problem [
      "10.100.0.0/16"
      "172.16.0.0/16"
      "172.31.255.0/24"
      "192.168.0.0/16"
    ];
    wanted = [
      null
      null
      null
      null
    ];
  };

  subnetsThatCannotServeAreRefusedWithTheReason = {
    is = map subnet.problem [
      "10.0.0.0/8"
      "10.1.2.0/25"
      "10.100.1.0/16"
      "8.8.0.0/16"
      "172.32.0.0/16"
      "10.100.0.0"
    ];
    wanted = [
      "`10.0.0.0/8` is a /8: take a /16 (32,512 berths) to a /24 (127 berths)"
      "`10.1.2.0/25` is a /25: take a /16 (32,512 berths) to a /24 (127 berths)"
      "`10.100.1.0/16` has host bits set: its network is `10.100.0.0/16`"
      "`8.8.0.0/16` is not private: take a part of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"
      "`172.32.0.0/16` is not private: take a part of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"
      "`10.100.0.0` is no network: write such as `10.100.0.0/16`"
    ];
  };

  whatIsNoNetworkIsRefused = {
    is = builtins.filter subnet.isNetwork [
      ""
      "10.100.0.0"
      "10.100.0/16"
      "10.100.0.256/16"
      "010.100.0.0/16"
      "10.100.0.0/33"
      "10.100.0.0/016"
      "10.100.0.0/16\n"
      " 10.100.0.0/16"
      "fd00::/16"
    ];
    wanted = [ ];
  };

  addressesLieInTheirNetworkOnly = {
    is = map (subnet.contains "10.100.0.0/16") [
      "10.100.0.0"
      "10.100.255.255"
      "10.101.0.0"
      "10.99.255.255"
      "fd00::1"
    ];
    wanted = [
      true
      true
      false
      false
      false
    ];
  };
}
