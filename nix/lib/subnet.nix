# The containers' private network, as Berth's programs number it: slot N has
# the addresses 2N and 2N+1, and slot 0 is the host's own.
let
  inherit (builtins)
    bitAnd
    concatStringsSep
    elemAt
    fromJSON
    genList
    length
    match
    ;

  octet = "(0|[1-9][0-9]{0,2})";
  pattern = "${octet}[.]${octet}[.]${octet}[.]${octet}/(0|[1-9][0-9]?)";

  power = exponent: if exponent == 0 then 1 else 2 * power (exponent - 1);

  parse =
    text:
    let
      groups = match pattern text;
      at = index: fromJSON (elemAt groups index);
      isAddress = at 0 < 256 && at 1 < 256 && at 2 < 256 && at 3 < 256 && at 4 <= 32;
    in
    if groups == null || !isAddress then
      null
    else
      {
        bits = ((at 0 * 256 + at 1) * 256 + at 2) * 256 + at 3;
        prefixLength = at 4;
        size = power (32 - at 4);
      };

  addressOf =
    bits:
    concatStringsSep "." (
      genList (index: toString (bitAnd (bits / (elemAt [ 16777216 65536 256 1 ] index)) 255)) 4
    );

  # The first address of the network that `net` lies in.
  networkOf = net: net.bits - bitAnd net.bits (net.size - 1);

  privateNetworks = map parse [
    "10.0.0.0/8"
    "172.16.0.0/12"
    "192.168.0.0/16"
  ];
  liesIn = net: outer: bitAnd net.bits (4294967296 - outer.size) == outer.bits;
  isPrivate = net: length (builtins.filter (liesIn net) privateNetworks) > 0;
in
{
  isNetwork = text: parse text != null;

  # Whether an address lies in a network.
  contains =
    text: address:
    let
      inner = parse "${address}/32";
      outer = parse text;
    in
    inner != null && outer != null && liesIn inner outer;

  # What is wrong with a text as `subnet`; null when nothing is.
  problem =
    text:
    let
      net = parse text;
    in
    if net == null then
      "`${text}` is no network: write such as `10.100.0.0/16`"
    else if net.prefixLength < 16 || net.prefixLength > 24 then
      "`${text}` is a /${toString net.prefixLength}: take a /16 (32,512 berths) to a /24 (127 berths)"
    else if networkOf net != net.bits then
      "`${text}` has host bits set: its network is `${addressOf (networkOf net)}/${toString net.prefixLength}`"
    else if !isPrivate net then
      "`${text}` is not private: take a part of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"
    else
      null;

  # Where the host's own services for containers listen.
  servicesAddress = text: addressOf ((parse text).bits + 1);

  # How many berths there are: every 128th slot is left out.
  berths =
    text:
    let
      slots = (parse text).size / 2;
    in
    slots - (slots + 127) / 128;
}
