# Writes TOML from Nix values, without building anything: the text of
# `berth.toml` can be read by evaluation alone.
#
# Keys that `order` names come first, in that order, at every level; the others
# follow as Nix sorts them. What is null is left out.
{
  order ? [ ],
}:
let
  inherit (builtins)
    all
    attrNames
    concatLists
    concatMap
    concatStringsSep
    elem
    filter
    fromJSON
    isAttrs
    isBool
    isInt
    isList
    isPath
    isString
    length
    match
    replaceStrings
    stringLength
    toJSON
    typeOf
    ;

  # A line stays below this; longer lists get a line for each value.
  longestLine = 100;

  # TOML's basic strings have JSON's escapes, and DEL must be escaped too. Some
  # versions of Nix write the short forms of two control characters, others not.
  delete = fromJSON ''"\u007f"'';
  text =
    value:
    replaceStrings
      [
        "\\\\"
        "\\b"
        "\\f"
        delete
      ]
      [
        "\\\\"
        "\\u0008"
        "\\u000c"
        "\\u007f"
      ]
      (toJSON value);

  key = name: if match "[A-Za-z0-9_-]+" name != null then name else text name;
  dotted = path: concatStringsSep "." (map key path);

  scalar =
    path: value:
    if isString value then
      text value
    else if isPath value then
      # As text: the file stays where it is.
      text (toString value)
    else if isInt value then
      toString value
    else if isBool value then
      (if value then "true" else "false")
    else if isList value then
      "[${concatStringsSep ", " (map (scalar path) value)}]"
    else
      throw "`${dotted path}`: TOML is not written from a ${typeOf value}";

  assignment =
    path: name: value:
    let
      line = "${key name} = ${scalar (path ++ [ name ]) value}";
      item = one: "  ${scalar (path ++ [ name ]) one},\n";
    in
    if isList value && stringLength line > longestLine then
      "${key name} = [\n${concatStringsSep "" (map item value)}]\n"
    else
      "${line}\n";

  isTables = value: isList value && value != [ ] && all isAttrs value;

  namesOf =
    table:
    let
      present = filter (name: table.${name} != null) (attrNames table);
    in
    filter (name: elem name present) order ++ filter (name: !(elem name order)) present;

  # Each block is the text of one table, its header first.
  blocks =
    header: path: table:
    let
      names = namesOf table;
      isBelow = name: isAttrs table.${name} || isTables table.${name};
      own = filter (name: !(isBelow name)) names;
      body = concatStringsSep "" (map (name: assignment path name table.${name}) own);
      # Tables below tell that this one is there, unless it is one of a list.
      isTold = own == [ ] && length names > 0 && match "\\[\\[.*" header == null;
      below =
        name:
        let
          value = table.${name};
          inner = path ++ [ name ];
        in
        if isAttrs value then
          blocks "[${dotted inner}]\n" inner value
        else
          concatMap (blocks "[[${dotted inner}]]\n" inner) value;
    in
    (if isTold || (path == [ ] && own == [ ]) then [ ] else [ (header + body) ])
    ++ concatLists (map below (filter isBelow names));
in
value: concatStringsSep "\n" (blocks "" [ ] value)
