# The same tables as the tests of the programs' own readers.
let
  amounts = import ../amounts.nix;

  none = read: texts: {
    is = builtins.filter (text: read text != null) texts;
    wanted = [ ];
  };
in
{
  durationsAreSeconds = {
    is = map amounts.duration [
      "30s"
      "2m"
      "1h"
      "1h 30m"
      "1h30m5s"
      "007s"
    ];
    wanted = [
      30
      120
      3600
      5400
      5405
      7
    ];
  };

  whatIsNoDurationIsRefused = none amounts.duration [
    ""
    "8"
    "0s"
    "-8h"
    "+8h"
    "1d"
    "5m 1h"
    "2m "
    " 2m"
    "1.5h"
    "2m\n"
    "soon"
    "99999999h"
  ];

  timesToLiveAreSeconds = {
    is = map amounts.ttl [
      "1m"
      "8h"
      "90m"
      "2d 12h"
      "366d"
    ];
    wanted = [
      60
      28800
      5400
      216000
      31622400
    ];
  };

  whatIsNoTimeToLiveIsRefused = none amounts.ttl [
    ""
    "8"
    "0s"
    "59s"
    "-8h"
    "367d"
    "1y"
    "1mo"
    "soon"
    "8h; id"
  ];

  amountsOfMemoryAreBytes = {
    is = map amounts.memory [
      "64M"
      "4G"
      "2T"
    ];
    wanted = [
      67108864
      4294967296
      2199023255552
    ];
  };

  whatIsNoAmountOfMemoryIsRefused = none amounts.memory [
    ""
    "4"
    "G"
    "-4G"
    "+4G"
    "4 G"
    "4.5G"
    "63M"
    "4K"
    "4GB"
    "99999999999T"
    "infinity"
    "٤G"
  ];

  cpusAreHundredths = {
    is = map amounts.cpus [
      "2"
      "1.5"
      "0.1"
      "1.05"
      "1024"
    ];
    wanted = [
      200
      150
      10
      105
      102400
    ];
  };

  whatIsNoNumberOfCpusIsRefused = none amounts.cpus [
    ""
    "0"
    "0.09"
    "-1"
    "1,5"
    "1."
    ".5"
    "1.555"
    "1025"
    "99999999999999999999"
  ];
}
