# Amounts as `berth.toml` writes them, read into numbers; null for a text that
# is none. Built-in functions only, so that any `nix` can test it.
#
# It takes less than Berth's programs do (no `1 week`, no `PT30M`): one way to
# write each amount is enough here.
let
  inherit (builtins)
    elemAt
    foldl'
    fromJSON
    match
    ;

  # JSON has no numbers with zeros in front, and null is what did not match.
  number =
    digits:
    if digits == null then
      0
    else
      let
        trimmed = match "0*([0-9]+)" digits;
      in
      fromJSON (elemAt trimmed 0);

  secondsOf = [
    86400
    3600
    60
    1
  ];
  # The number of each unit is in every second group. Seven digits are years.
  unitGroups = "([0-9]{1,7})d ?)?(([0-9]{1,7})h ?)?(([0-9]{1,7})m ?)?(([0-9]{1,7})s)?";

  time =
    text:
    let
      groups = match "(${unitGroups}" text;
      isWhole = match ".*[a-z]" text != null;
      amount = index: number (elemAt groups (2 * index + 1)) * elemAt secondsOf index;
      sum = foldl' (total: index: total + amount index) 0 [
        0
        1
        2
        3
      ];
    in
    if groups == null || !isWhole then null else sum;

  kibi = 1024;
  mebi = kibi * kibi;
  unitBytes = {
    M = mebi;
    G = mebi * kibi;
    T = mebi * mebi;
  };
in
{
  # Seconds, more than none: `30s`, `2m`, `1h 30m`.
  duration =
    text:
    let
      seconds = time text;
      hasDays = match ".*d.*" text != null;
    in
    if seconds == null || seconds == 0 || hasDays then null else seconds;

  # Seconds, from a minute to 366 days: `8h`, `14d`, `2d 12h`.
  ttl =
    text:
    let
      seconds = time text;
    in
    if seconds == null || seconds < 60 || seconds > 366 * 86400 then null else seconds;

  # Bytes, from 64 MiB: `512M`, `4G`, `1T`; powers of 1024.
  memory =
    text:
    let
      groups = match "([0-9]{1,6})([MGT])" text;
      bytes = number (elemAt groups 0) * unitBytes.${elemAt groups 1};
    in
    if groups == null || bytes < 64 * mebi then null else bytes;

  # Hundredths of a CPU, from 10 to 102400: `2`, `1.5`, `0.25`.
  cpus =
    text:
    let
      groups = match "([0-9]{1,4})([.]([0-9]{1,2}))?" text;
      fraction = elemAt groups 2;
      hundredths =
        if fraction != null && match "[0-9]" fraction != null then
          number fraction * 10
        else
          number fraction;
      percent = number (elemAt groups 0) * 100 + hundredths;
    in
    if groups == null || percent < 10 || percent > 102400 then null else percent;
}
