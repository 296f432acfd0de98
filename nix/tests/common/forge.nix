# A forge: `http://forge/git/OWNER/NAME.git`, for everybody to read.
{ pkgs, ... }:
{
  networking.firewall.allowedTCPPorts = [ 80 ];

  programs.git = {
    enable = true;
    config = {
      # The web server and root both work on the repositories.
      safe.directory = "*";
      init.defaultBranch = "main";
      user = {
        name = "Ada";
        email = "ada@example.com";
      };
    };
  };

  # As git-http-backend(1) has it for Lighttpd.
  services.lighttpd = {
    enable = true;
    enableModules = [
      "mod_alias"
      "mod_cgi"
      "mod_setenv"
    ];
    extraConfig = ''
      alias.url = ( "/git" => "${pkgs.git}/libexec/git-core/git-http-backend" )
      $HTTP["url"] =~ "^/git" {
        cgi.assign = ( "" => "" )
        setenv.add-environment = (
          "GIT_PROJECT_ROOT" => "/srv/forge",
          "GIT_HTTP_EXPORT_ALL" => "1"
        )
      }
    '';
  };
  systemd.tmpfiles.settings."10-forge"."/srv/forge".d = { };
}
