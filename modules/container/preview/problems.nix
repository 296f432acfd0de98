# What is wrong with a meta whose values are each as they should be.
{ lib }:
{
  # The option that holds it.
  name,
  meta,
}:
let
  inherit (import ./types.nix { inherit lib; }) withoutEnd;

  lower = path: lib.toLower (withoutEnd path);
  shown = value: "`${value}`";

  twice =
    values: lib.unique (lib.filter (value: lib.count (other: other == value) values > 1) values);

  ofRoutes =
    option: routes:
    map (
      path:
      "`${option}` has ${
        shown (if path == "" then "/" else path)
      } twice: a path goes to one port, and upper and lower case are the same"
    ) (twice (map (route: lower route.path) routes))
    ++ map (
      _route:
      "`${option}` strips the prefix of `/`, which has none: leave `stripPrefix` out of that route"
    ) (lib.filter (route: route.stripPrefix && lower route.path == "") routes);

  ofHost =
    host:
    let
      option = "${name}.extraHosts: ${host.prefix}";
    in
    lib.optional (host.routes == [ ]) "`${option}` has no route: a host without a route serves nothing"
    ++ ofRoutes option host.routes;

  bare = lib.removeSuffix ".service";
  count =
    lib.length meta.routes + lib.foldl' (sum: host: sum + lib.length host.routes) 0 meta.extraHosts;
  readyPath = if meta.ready == null then "/" else meta.ready.path;
  covers =
    route:
    let
      path = lower route.path;
    in
    lower readyPath == path || lib.hasPrefix "${path}/" (lib.toLower readyPath);
in
lib.optional (meta.routes == [ ])
  "`${name}.routes` is empty: a preview is a site, so give it a route, such as { path = \"/\"; port = 3000; }"
++ ofRoutes "${name}.routes" meta.routes
++ lib.concatMap ofHost meta.extraHosts
++ map (
  prefix: "`${name}.extraHosts` has the prefix ${shown prefix} twice: each host needs its own"
) (twice (map (host: host.prefix) meta.extraHosts))
++ lib.optional (
  count > 50
) "`${name}.routes` and those of the extra hosts are ${toString count}: 50 is the most"
++
  lib.optional (meta.routes != [ ] && !lib.any covers meta.routes)
    "`${name}.ready.path` is ${shown readyPath}, which no route serves: name a path that tells whether the site is up"
++
  lib.optional
    (meta.setupService != null && lib.elem (bare meta.setupService) (map bare meta.appServices))
    "`${name}.appServices` has ${shown meta.setupService}, which is the setup service: it ends before these start"
