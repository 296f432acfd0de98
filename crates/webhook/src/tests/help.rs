use crate::program::command_line;

#[test]
fn the_help_is_this() {
    insta::assert_snapshot!(command_line().render_long_help());
}
