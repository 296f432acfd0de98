let
  toml = import ../toml.nix;
  plain = toml { };
  fails = value: !(builtins.tryEval (builtins.deepSeq (plain value) null)).success;
  fromJSON = builtins.fromJSON;
in
{
  scalarsAreWritten = {
    is = plain {
      number = 4711;
      negative = -1;
      yes = true;
      no = false;
      text = "a";
      list = [
        1
        2
      ];
      empty = [ ];
    };
    wanted = ''
      empty = []
      list = [1, 2]
      negative = -1
      no = false
      number = 4711
      text = "a"
      yes = true
    '';
  };

  textsAreEscaped = {
    is = plain { text = "\"\\\n\r\t$ ä ${fromJSON ''"\u0001\b\f\u001b\u007f"''} \\b"; };
    wanted = ''
      text = "\"\\\n\r\t$ ä \u0001\u0008\u000c\u001b\u007f \\b"
    '';
  };

  keysAreQuotedWhereTheyMustBe = {
    is = plain {
      "a.b" = 1;
      "" = 2;
      "a-b_C1" = 3;
      "x y"."z\"" = 4;
    };
    wanted = ''
      "" = 2
      a-b_C1 = 3
      "a.b" = 1

      ["x y"]
      "z\"" = 4
    '';
  };

  nullIsLeftOut = {
    is = plain {
      a = null;
      b = 1;
      c.d = null;
    };
    wanted = ''
      b = 1

      [c]
    '';
  };

  tablesFollowTheirOwnKeys = {
    is = plain {
      a.b = {
        c = 1;
        d.e = 2;
      };
      z = 3;
    };
    wanted = ''
      z = 3

      [a.b]
      c = 1

      [a.b.d]
      e = 2
    '';
  };

  tablesInListsAreWritten = {
    is = plain {
      a.list = [
        { x = 1; }
        { }
        { y.z = 2; }
      ];
    };
    wanted = ''
      [[a.list]]
      x = 1

      [[a.list]]

      [[a.list]]

      [a.list.y]
      z = 2
    '';
  };

  orderHoldsAtEveryLevel = {
    is =
      toml
        {
          order = [
            "z"
            "b"
            "missing"
          ];
        }
        {
          a = 1;
          z = 2;
          b.z = 3;
          b.a = 4;
          c.x = 5;
        };
    wanted = ''
      z = 2
      a = 1

      [b]
      z = 3
      a = 4

      [c]
      x = 5
    '';
  };

  longListsHaveALineForEachValue = {
    is = plain { keys = builtins.genList (index: "a rather long value, number ${toString index}") 4; };
    wanted = ''
      keys = [
        "a rather long value, number 0",
        "a rather long value, number 1",
        "a rather long value, number 2",
        "a rather long value, number 3",
      ]
    '';
  };

  pathsAreTextAndStayWhereTheyAre = {
    is = plain { path = /run/secrets/token; };
    wanted = ''
      path = "/run/secrets/token"
    '';
  };

  nothingIsAnEmptyText = {
    is = plain { a = null; };
    wanted = "";
  };

  whatTomlHasNotIsRefused = {
    is = map fails [
      { a = 1.5; }
      { a = x: x; }
      { a = [ null ]; }
      {
        a = [
          1
          { }
        ];
      }
    ];
    wanted = [
      true
      true
      true
      true
    ];
  };
}
