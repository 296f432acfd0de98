# What Berth is told of the preview.
{ config, lib, ... }:
let
  cfg = config.berth.preview;
  metaOptions = import ./options.nix { inherit lib; };
  problemsOf = import ./problems.nix { inherit lib; };

  # In the form of the original contract, without what says nothing.
  declared = lib.filterAttrs (_key: value: value != null && value != [ ]) (
    lib.getAttrs (lib.attrNames metaOptions) cfg
  );
  meta = config.system.build.previewMeta;
  isPlain = meta != declared;

  # A plain meta is checked by the same types. What is null is not there.
  withoutNulls =
    value:
    if lib.isAttrs value then
      lib.mapAttrs (_key: withoutNulls) (lib.filterAttrs (_key: child: child != null) value)
    else if lib.isList value then
      map withoutNulls value
    else
      value;
  plain =
    (lib.mergeDefinitions
      [
        "system"
        "build"
        "previewMeta"
      ]
      (lib.types.submodule { options = metaOptions; })
      [
        {
          file = "preview-config.nix";
          value = withoutNulls meta;
        }
      ]
    ).mergedValue;

  problems =
    if isPlain then
      problemsOf {
        name = "system.build.previewMeta";
        meta = builtins.deepSeq plain plain;
      }
    else
      problemsOf {
        name = "berth.preview";
        # Whatever is wrong is told while the system is evaluated.
        meta = builtins.deepSeq declared cfg;
      }
      ++ lib.concatMap (name: serviceProblems "appServices" name) cfg.appServices
      ++ lib.optionals (cfg.setupService != null) (
        serviceProblems "setupService" cfg.setupService ++ setupProblems cfg.setupService
      );

  # A template stands for its instances.
  serviceOf =
    name:
    let
      bare = lib.removeSuffix ".service" name;
      template = "${lib.head (lib.splitString "@" bare)}@";
      services = config.systemd.services;
    in
    services.${bare} or services.${template} or null;

  bootTargets = [
    "basic.target"
    "default.target"
    "graphical.target"
    "multi-user.target"
    "network-online.target"
    "network.target"
    "sysinit.target"
  ];

  serviceProblems =
    option: name:
    let
      service = serviceOf name;
      bare = lib.removeSuffix ".service" name;
      targets = lib.filter (target: lib.elem target bootTargets) (service.wantedBy ++ service.requiredBy);
    in
    if service == null || !service.enable then
      [
        "`berth.preview.${option}` names `${name}`, which is no service of this system: declare `systemd.services.${builtins.toJSON bare}`, or take the name out"
      ]
    else
      map (
        target:
        "`berth.preview.${option}` names `${name}`, which is part of the boot (`${target}`), when there is no network yet: leave `wantedBy` out, or set `systemd.services.${builtins.toJSON bare}.wantedBy = lib.mkForce [ ]`"
      ) targets;

  setupProblems =
    name:
    let
      service = serviceOf name;
      type = service.serviceConfig.Type or "simple";
    in
    lib.optional (service != null && type != "oneshot")
      "`berth.preview.setupService` names `${name}`, whose `serviceConfig.Type` is `${type}`: set it to `oneshot`, so that the others start after its end";
in
{
  options.berth.preview = metaOptions;

  config = {
    # A plain definition in the repository takes its place.
    system.build.previewMeta = lib.mkDefault declared;

    assertions = map (message: {
      assertion = false;
      inherit message;
    }) problems;

    warnings = lib.optional (cfg.database == "host" && config.services.postgresql.enable) ''
      `berth.preview.database` is "host" and `services.postgresql.enable` is true: `DATABASE_URL` is the host's database, so leave one of them out.
    '';
  };
}
