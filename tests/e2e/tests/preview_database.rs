//! Databases of previews: each reaches its own and no other, and what is in it
//! outlives the containers.

use berth_e2e::{Preview, SharedPreviewHost, fixture, places_with, wait_until};

static HOST: SharedPreviewHost = SharedPreviewHost::named("database");

/// `psql` with the preview's own URL, its database replaced.
fn psql(one: &Preview, database: &str) -> berth_e2e::Output {
    let line = format!(
        r#". /etc/preview.env; own=${{DATABASE_URL##*/}}; other={database}
           exec psql -qAtXw -c 'SELECT current_database()' "${{DATABASE_URL%/*}}/${{other:-$own}}""#
    );
    one.run(&line).run()
}

#[test]
fn a_preview_reaches_its_own_database_and_no_other() {
    let host = HOST.get();
    let app = host.forge().repository("acme/isolated", fixture("database"));
    app.commit_to("second", "another", &[]);
    let one = Preview::create(&host, &app);
    let two = Preview::create_with(&host, &app, "second", &[]);
    let (own, others) = (one.field("database"), two.field("database"));
    assert_ne!(own, others);
    assert_eq!(psql(&one, "").stdout, format!("{own}\n"));
    for database in [others.as_str(), "postgres", "template1", "template0"] {
        let refused = psql(&one, database);
        assert!(!refused.is_success(), "{database}: {refused}");
        assert!(refused.stderr.contains("pg_hba.conf rejects connection"), "{database}: {refused}");
    }
    // As another role, with whatever password.
    let line = format!("PGPASSWORD=x exec psql -qAtXwc 'SELECT 1' postgres://{others}@10.100.0.1/{others}");
    let refused = one.run(&line).run();
    assert!(refused.stderr.contains("password authentication failed"), "{refused}");
    let line = "PGPASSWORD=x exec psql -qAtXwc 'SELECT 1' postgres://postgres@10.100.0.1/postgres";
    assert!(!one.run(line).run().is_success());
    assert_eq!((two.page("/"), one.page("/")), ("visits: 1\n".to_owned(), "visits: 1\n".to_owned()));

    // One without a database gets no answer at all, with whatever it knows.
    let site = host.forge().repository("acme/without", fixture("static"));
    let three = Preview::create(&host, &site);
    assert_eq!(three.info()["database"], berth_e2e::Value::Null);
    assert!(three.run("grep DATABASE_URL /etc/preview.env").run().stdout.is_empty());
    let url = one.run(". /etc/preview.env; echo \"$DATABASE_URL\"").ok().stdout;
    let line = format!("PGCONNECT_TIMEOUT=3 exec psql -qAtXwc 'SELECT 1' '{}'", url.trim());
    let refused = three.run(&line).run();
    assert!(!refused.is_success(), "{refused}");
    assert!(!refused.stderr.contains("FATAL"), "the server does not even answer: {refused}");
}

#[test]
fn a_database_outlives_its_containers_and_ends_with_its_preview() {
    let host = HOST.get();
    let app = host.forge().repository("acme/outlives", fixture("database"));
    let one = Preview::create(&host, &app);
    assert_eq!(one.page("/"), "visits: 1\n");
    let container = one.container();
    assert_eq!(one.update_with(&["--force"]), "switched");
    assert_ne!(one.container(), container);
    assert_eq!(one.page("/"), "visits: 2\n");
    one.command("restart").ok();
    assert_eq!(one.page("/"), "visits: 3\n");

    // Without a database for a while.
    app.replace("a static site", fixture("static"));
    assert_eq!(one.update(), "switched");
    assert_eq!(one.page("/"), "one\n");
    assert!(!psql(&one, "").is_success(), "it is not told any more, and not let through");
    app.replace("back", fixture("database"));
    assert_eq!(one.update(), "switched");
    assert_eq!(one.page("/"), "visits: 4\n");

    // A session that stays open does not keep it.
    let database = one.field("database");
    let session =
        one.run(". /etc/preview.env; exec psql -qAtXc 'SELECT pg_sleep(60)' \"$DATABASE_URL\"").spawn();
    let sessions = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'");
    let count = || host.command("psql").args(["-U", "berth", "-qAtXc", &sessions, "postgres"]).ok().stdout;
    wait_until(std::time::Duration::from_mins(1), "it is open", || count() != "0\n");
    one.destroy();
    session.wait();
    let listed = host.command("psql").args(["-U", "berth", "-qAtXlF,", "postgres"]).ok().stdout;
    assert!(!listed.contains(&database), "{listed}");
}

#[test]
fn the_password_is_in_no_log_and_no_record() {
    let host = HOST.get();
    let app = host.forge().repository("acme/password", fixture("database"));
    let one = Preview::create(&host, &app);
    let password = host.read_file(&format!("/var/lib/berth/secrets/{}", one.field("database")));
    assert!(one.run("cat /etc/preview.env").ok().stdout.contains(&password), "it is what it logs in with");
    one.page("/");
    one.update_with(&["--force"]);
    assert_eq!(places_with(&host, password.trim()), [""; 0]);
    host.command("logger").stdin(password.trim()).ok();
    assert_eq!(places_with(&host, password.trim()), ["journal"], "it would be found");
}
