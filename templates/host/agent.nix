# The system of agents. After a change: `nixos-rebuild switch`, then `agent build`
# on the host; agents that exist keep theirs.
{ pkgs, ... }:
{
  berth.agent = {
    codingAgents = [ "claude-code" ];
    packages = [
      pkgs.nodejs
      pkgs.python3
    ];
  };
}
