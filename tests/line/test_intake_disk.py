"""Disks and shares in trouble while a drop is taken in: it waits and goes on, it isn't refused."""

from tests.line.world import World, photo

TINY = "width: 64\nheight: 64\nframes: 2\nsteps: 1\n"


def test_a_disk_that_can_not_be_written_while_admitting_holds_the_drop_and_lets_it_go_on(world: World):
    with world:
        work = world.config.state_dir / "work"
        # Every try to make a folder in there is answered with an error of the file system.
        work.write_bytes(b"")
        world.drop("image-to-video/cup.jpg", photo((64, 48)))
        world.drop("image-to-video/cup.yaml", TINY)
        hold = world.until_hold("image-to-video/cup", "disk_trouble")
        assert str(world.folder) not in hold["title"] + hold["fix"]
        assert world.status("image-to-video/cup")["state"] == "waiting"
        work.unlink()
        world.until_state("image-to-video/cup", "done")
        world.until_returned("done/image-to-video/cup.yaml")
