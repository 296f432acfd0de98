# What `tests/host` installs: previews on a domain that exists in the tests
# alone, from a GitHub that is a program on the same host, with short deadlines.
{
  imports = [ ./hardware ];

  networking.hostName = "testhost";

  users.users.alice = {
    isNormalUser = true;
    uid = 1001;
  };

  services.berth = {
    enable = true;
    operators = [ "alice" ];
    # No public authority knows that domain.
    webhook.certificate = "internal";

    settings = {
      preview = {
        domain = "preview.test";
        forge = "http://127.0.0.1:8428";

        deadlines = {
          setup = "1m";
          ready = "1m";
          drain = "1s";
        };
      };

      github = {
        api = "http://127.0.0.1:8428";
        app_id = 4242;
        app_key = "/etc/berth/secrets/app.pem";
        webhook_secret = "/etc/berth/secrets/webhook";
        repositories = [ "acme/*" ];
      };
    };
  };
}
