/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "federation/bundle.h"
#include "federation/bundle_seen.h"
#include "federation/bundle_match.h"
#include "federation/tree.h"

/* A directory of its own for each test, with "in" and "out" inside. */
struct room {
	char path[64];
	int dir, in, out, bundle;
	struct rain_bundle_summary summary;
	struct rain_digest digest; /* of what was packed */
	struct rain_error err;
};

static int setup(void **state)
{
	struct room *room = calloc(1, sizeof(*room));

	strcpy(room->path, "test-bundle-XXXXXX");
	assert_non_null(mkdtemp(room->path));
	room->dir = open(room->path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(mkdirat(room->dir, "in", 0755), 0);
	assert_int_equal(mkdirat(room->dir, "out", 0755), 0);
	room->in = openat(room->dir, "in", O_RDONLY | O_DIRECTORY);
	room->out = openat(room->dir, "out", O_RDONLY | O_DIRECTORY);
	room->bundle = openat(room->dir, "bundle", O_RDWR | O_CREAT, 0600);
	assert_true(room->bundle >= 0);
	*state = room;
	return 0;
}

static int teardown(void **state)
{
	struct room *room = *state;
	int cwd = open(".", O_RDONLY | O_DIRECTORY);

	close(room->dir);
	close(room->in);
	close(room->out);
	close(room->bundle);
	assert_int_equal(rain_tree_remove(cwd, room->path, &room->err), 0);
	close(cwd);
	free(room);
	return 0;
}

static void put(int dir, const char *name, const char *text, mode_t mode)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

static void expect(int dir, const char *name, const char *text)
{
	char buffer[64] = "";
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW);

	assert_true(fd >= 0);
	assert_true(read(fd, buffer, sizeof(buffer) - 1) >= 0);
	assert_string_equal(buffer, text);
	close(fd);
}

static bool absent(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
}

static size_t entries(int dir)
{
	char **names = rain_tree_names(dir, 1000, NULL);
	size_t count = 0;

	while (names[count])
		count++;
	rain_tree_names_free(names);
	return count;
}

static int write_bundle(void *arg, const void *data, size_t size, struct rain_error *err)
{
	struct room *room = arg;

	return rain_file_write_fd(room->bundle, data, size, err);
}

/* Items of a directory into the bundle, which is emptied first. */
static int pack_from(struct room *room, int from, const char *const items[], size_t count,
		     bool allow_missing, const struct rain_bundle_seen *seen)
{
	int result;

	assert_int_equal(ftruncate(room->bundle, 0), 0);
	assert_int_equal(lseek(room->bundle, 0, SEEK_SET), 0);
	result = rain_bundle_pack(from, items, count, allow_missing, seen, write_bundle, room,
				  &room->summary, &room->err);
	assert_int_equal(rain_digest_file(room->bundle, &room->digest, &room->err), 0);
	return result;
}

static int pack(struct room *room, const char *item)
{
	return pack_from(room, room->in, &item, 1, false, NULL);
}

static int unpack(struct room *room)
{
	return rain_bundle_unpack(room->bundle, room->out, NULL, NULL, &room->summary, &room->err);
}

static void put_more(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_APPEND);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void test_seen(void **state)
{
	struct room *room = *state;
	const char *items[] = {"data", "data/same:copy"};
	struct rain_bundle_seen *seen;

	assert_int_equal(mkdirat(room->in, "data", 0755), 0);
	assert_int_equal(mkdirat(room->in, "data/moved", 0755), 0);
	put(room->in, "data/same", "as it came", 0644);
	put(room->in, "data/written", "x", 0644);
	put(room->in, "data/mode", "x", 0644);
	put(room->in, "data/moved/file", "went along", 0644);
	assert_int_equal(symlinkat("same", room->in, "data/link"), 0);
	seen = rain_bundle_see(room->in, &room->err);
	assert_non_null(seen);
	put_more(room->in, "data/written", "y");
	put(room->in, "data/new", "new", 0644);
	assert_int_equal(fchmodat(room->in, "data/mode", 0600, 0), 0);
	assert_int_equal(renameat(room->in, "data/moved", room->in, "data/there"), 0);
	assert_int_equal(pack_from(room, room->in, items, 2, true, seen), 0);
	assert_int_equal(unpack(room), 0);
	assert_true(absent(room->out, "data/same"));
	assert_true(absent(room->out, "data/link"));
	expect(room->out, "data/written", "xy");
	expect(room->out, "data/new", "new");
	expect(room->out, "data/mode", "x");
	expect(room->out, "data/there/file", "went along");
	expect(room->out, "copy", "as it came"); /* asked for under another name */
	rain_bundle_seen_free(seen);
}

static void test_round_trip(void **state)
{
	struct room *room = *state;
	char target[16] = "";
	struct stat st;

	assert_int_equal(mkdirat(room->in, "data", 0750), 0);
	assert_int_equal(mkdirat(room->in, "data/deep", 0755), 0);
	put(room->in, "data/a.txt", "alpha", 0640);
	put(room->in, "data/deep/run", "#!", 06755);
	put(room->in, "data/secret", "never", 0600);
	assert_int_equal(symlinkat("../a.txt", room->in, "data/deep/link"), 0);
	assert_int_equal(pack(room, "data"), 0);
	assert_int_equal(room->summary.entries, 6);
	assert_int_equal(room->summary.bytes, 12);
	assert_int_equal(unpack(room), 0);
	expect(room->out, "data/a.txt", "alpha");
	expect(room->out, "data/deep/run", "#!");
	assert_int_equal(fstatat(room->out, "data/deep/run", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755); /* setuid and setgid are gone */
	assert_int_equal(st.st_mtime, 1000000000);
	assert_int_equal(fstatat(room->out, "data/a.txt", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(readlinkat(room->out, "data/deep/link", target, sizeof(target) - 1), 8);
	assert_string_equal(target, "../a.txt");
	assert_int_equal(entries(room->out), 1); /* nothing temporary stayed */
}

static void test_deterministic(void **state)
{
	struct room *room = *state;
	struct rain_digest first;

	assert_int_equal(mkdirat(room->in, "d", 0755), 0);
	put(room->in, "d/z", "1", 0644);
	put(room->in, "d/a", "2", 0644);
	assert_int_equal(pack(room, "d/*"), 0);
	first = room->digest;
	/* The same files, made in another order: the same bytes. */
	assert_int_equal(rain_tree_remove(room->in, "d", &room->err), 0);
	assert_int_equal(mkdirat(room->in, "d", 0755), 0);
	put(room->in, "d/a", "2", 0644);
	put(room->in, "d/z", "1", 0644);
	assert_int_equal(pack(room, "d/*"), 0);
	assert_string_equal(first.sha256, room->digest.sha256);
}

static void test_sparse(void **state)
{
	struct room *room = *state;
	const off_t size = 256 << 20;
	int fd = openat(room->in, "sparse", O_RDWR | O_CREAT, 0600);
	char byte = 0;
	struct stat st;

	assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(pwrite(fd, "x", 1, size / 2), 1);
	close(fd);
	fd = openat(room->in, "hole", O_RDWR | O_CREAT, 0600);
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
	assert_int_equal(pack(room, "*"), 0);
	assert_true(room->digest.size < 65536);
	assert_int_equal(unpack(room), 0);
	fd = openat(room->out, "sparse", O_RDONLY);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, size);
	assert_true(st.st_blocks < 1024);
	assert_int_equal(pread(fd, &byte, 1, size / 2), 1);
	assert_int_equal(byte, 'x');
	assert_int_equal(pread(fd, &byte, 1, size / 2 + 1), 1);
	assert_int_equal(byte, 0);
	close(fd);
	assert_int_equal(fstatat(room->out, "hole", &st, 0), 0);
	assert_int_equal(st.st_size, size);
	assert_true(st.st_blocks < 1024);
}

static void test_patterns(void **state)
{
	struct room *room = *state;
	const char *items[] = {"r/*.dat", "r", "./one", "nothing-*"};
	char absolute[512];
	const char *item = absolute;

	assert_int_equal(mkdirat(room->in, "r", 0755), 0);
	put(room->in, "r/1.dat", "1", 0644);
	put(room->in, "r/.hidden.dat", "h", 0644);
	put(room->in, "one", "one", 0644);
	/* What is named twice is packed once. */
	assert_int_equal(pack_from(room, room->in, items, 4, true, NULL), 0);
	assert_int_equal(room->summary.entries, 4);
	assert_int_equal(room->summary.unmatched, 1);
	assert_int_equal(pack(room, "r/*.dat"), 0);
	assert_int_equal(room->summary.entries, 1); /* '*' doesn't name what is hidden */
	assert_int_equal(pack(room, "nothing-*"), -1);
	assert_string_equal(room->err.text, "nothing-*: there is no such file");
	put(room->in, "a:b", "colon", 0644);
	assert_int_equal(pack(room, "a:b"), -1);
	assert_int_equal(pack(room, "a\\:b:c/"), 0);
	assert_int_equal(unpack(room), 0);
	expect(room->out, "c/a:b", "colon");
	assert_true(rain_bundle_path_matches((const char *const[]){"a\\:b"}, 1, "a:b"));
	assert_int_equal(pack(room, "../in"), -1);
	assert_int_equal(pack(room, "r/../one"), -1);
	assert_int_equal(pack(room, ""), -1);
	/* Absolute: stored under the last part. */
	assert_non_null(getcwd(absolute, 256));
	strcat(absolute, "/");
	strcat(absolute, room->path);
	strcat(absolute, "/in/r/1.*");
	assert_int_equal(pack_from(room, room->out, &item, 1, false, NULL), 0);
	assert_int_equal(unpack(room), 0);
	expect(room->out, "1.dat", "1");
}

static void test_refused_sources(void **state)
{
	struct room *room = *state;

	assert_int_equal(mkdirat(room->in, "d", 0755), 0);
	assert_int_equal(symlinkat("/etc/passwd", room->in, "d/abs"), 0);
	assert_int_equal(pack(room, "d"), -1);
	assert_non_null(strstr(room->err.text, "d/abs is a symbolic link to /etc/passwd"));
	assert_int_equal(unlinkat(room->in, "d/abs", 0), 0);
	assert_int_equal(symlinkat("../../x", room->in, "d/up"), 0);
	assert_int_equal(pack(room, "d"), -1);
	assert_int_equal(unlinkat(room->in, "d/up", 0), 0);
	assert_int_equal(mkfifoat(room->in, "d/fifo", 0600), 0);
	assert_int_equal(pack(room, "d"), -1);
	assert_non_null(strstr(room->err.text, "d/fifo is neither"));
	/* A link in the middle of a path isn't followed. */
	assert_int_equal(symlinkat("/etc", room->in, "etc"), 0);
	assert_int_equal(pack(room, "etc/passwd"), -1);
	assert_int_equal(pack(room, "*/passwd"), -1);
}

static void test_links(void **state)
{
	(void)state;
	assert_true(rain_bundle_link_stays("a/b", "../c"));
	assert_true(rain_bundle_link_stays("a", "b/c"));
	assert_true(rain_bundle_link_stays("a/b/c", "../../d/./e"));
	assert_false(rain_bundle_link_stays("a", "../b"));
	assert_false(rain_bundle_link_stays("a", "/b"));
	assert_false(rain_bundle_link_stays("a", ""));
	/* A ".." behind a name might go up from where another link leads. */
	assert_false(rain_bundle_link_stays("a/b/c", "d/../e"));
}

static void test_accept(void **state)
{
	const char *items[] = {"results", "out/*.dat", "./x?"};
	const char *nothing[] = {"/", "./", "", "/etc/passwd", "x:"};

	(void)state;
	for (size_t i = 0; i < 5; i++)
		assert_false(rain_bundle_path_matches(&nothing[i], 1, "etc/passwd"));
	assert_true(rain_bundle_path_matches(items, 3, "results"));
	assert_true(rain_bundle_path_matches(items, 3, "results/a/b"));
	assert_true(rain_bundle_path_matches(items, 3, "out/1.dat"));
	assert_true(rain_bundle_path_matches(items, 3, "xy"));
	assert_false(rain_bundle_path_matches(items, 3, "out"));
	assert_false(rain_bundle_path_matches(items, 3, "out/1.dot"));
	assert_false(rain_bundle_path_matches(items, 3, "results2"));
	assert_false(rain_bundle_path_matches(items, 3, ".bashrc"));
	assert_false(rain_bundle_path_matches(items, 3, "out/.hidden.dat"));
}

/* Of what goes into a directory, only what the item names. */
static void test_accept_renamed(void **state)
{
	const char *items[] = {"result:back/final", "*.log:logs", "./out/*.dat:.", "tree:kept/"};

	(void)state;
	assert_true(rain_bundle_path_matches(items, 4, "back/final"));
	assert_true(rain_bundle_path_matches(items, 4, "back/final/below"));
	assert_true(rain_bundle_path_matches(items, 4, "logs/a.log"));
	assert_true(rain_bundle_path_matches(items, 4, "1.dat"));
	assert_true(rain_bundle_path_matches(items, 4, "kept/tree/leaf"));
	assert_false(rain_bundle_path_matches(items, 4, "result"));
	assert_false(rain_bundle_path_matches(items, 4, "back"));
	assert_false(rain_bundle_path_matches(items, 4, "logs/a.txt"));
	assert_false(rain_bundle_path_matches(items, 4, ".bashrc"));
	assert_false(rain_bundle_path_matches(items, 4, "kept/other"));
}

static void test_renamed(void **state)
{
	struct room *room = *state;

	assert_int_equal(mkdirat(room->in, "d", 0755), 0);
	put(room->in, "d/1.txt", "one", 0644);
	put(room->in, "d/2.txt", "two", 0644);
	assert_int_equal(pack(room, "d/1.txt:there/first"), 0);
	assert_int_equal(unpack(room), 0);
	expect(room->out, "there/first", "one");
	assert_int_equal(pack(room, "d/*.txt:texts"), 0);
	assert_int_equal(unpack(room), 0);
	expect(room->out, "texts/2.txt", "two");
	assert_int_equal(pack(room, "d/2.txt:."), 0);
	assert_int_equal(unpack(room), 0);
	expect(room->out, "2.txt", "two");
	assert_int_equal(pack(room, "d/:e/"), 0);
	assert_int_equal(unpack(room), 0);
	expect(room->out, "e/d/1.txt", "one");
	assert_int_equal(pack(room, "d:../e"), -1);
	assert_int_equal(pack(room, "d/1.txt:/etc/x"), -1);
}

static void test_fingerprint(void **state)
{
	struct room *room = *state;
	struct rain_bundle_print first, again, other;
	const char *item = "d";

	assert_int_equal(mkdirat(room->in, "d", 0755), 0);
	put(room->in, "d/1.txt", "one", 0644);
	assert_int_equal(rain_bundle_fingerprint(room->in, &item, 1, &first, &room->err), 0);
	assert_int_equal(rain_bundle_fingerprint(room->in, &item, 1, &again, &room->err), 0);
	assert_string_equal(first.key.sha256, again.key.sha256);
	assert_int_equal(pack(room, item), 0);
	assert_int_equal(first.entries, room->summary.entries);
	assert_int_equal(first.bytes, room->summary.bytes);
	/* Whatever a program does to hide it: the time of the change tells. */
	assert_int_equal(fchmodat(room->in, "d/1.txt", 0600, 0), 0);
	assert_int_equal(rain_bundle_fingerprint(room->in, &item, 1, &other, &room->err), 0);
	assert_string_not_equal(first.key.sha256, other.key.sha256);
	assert_int_equal(fchmodat(room->in, "d/1.txt", 0644, 0), 0);
	put(room->in, "d/2.txt", "", 0644);
	assert_int_equal(rain_bundle_fingerprint(room->in, &item, 1, &again, &room->err), 0);
	assert_string_not_equal(other.key.sha256, again.key.sha256);
	item = "nothing";
	assert_int_equal(rain_bundle_fingerprint(room->in, &item, 1, &first, &room->err), 0);
	assert_int_equal(first.entries, 0);
}

static void test_replaces(void **state)
{
	struct room *room = *state;

	assert_int_equal(mkdirat(room->in, "d", 0755), 0);
	put(room->in, "d/new", "new", 0644);
	put(room->in, "d/both", "new", 0644);
	assert_int_equal(mkdirat(room->out, "d", 0755), 0);
	put(room->out, "d/both", "old", 0644);
	put(room->out, "d/old", "old", 0644);
	assert_int_equal(pack(room, "d"), 0);
	assert_int_equal(unpack(room), 0);
	expect(room->out, "d/new", "new");
	expect(room->out, "d/both", "new");
	expect(room->out, "d/old", "old");
	/* A link in the place of a directory isn't followed. */
	assert_int_equal(rain_tree_remove(room->out, "d", &room->err), 0);
	assert_int_equal(symlinkat("../in", room->out, "d"), 0);
	assert_int_equal(unpack(room), -1);
	assert_true(absent(room->in, "new"));
	assert_int_equal(entries(room->out), 1);
}

/* Archives that nobody's packer makes. */
struct hostile {
	struct archive *archive;
	int fd;
};

static struct hostile hostile_begin(struct room *room)
{
	struct hostile hostile = {.archive = archive_write_new(), .fd = room->bundle};

	assert_int_equal(ftruncate(room->bundle, 0), 0);
	lseek(room->bundle, 0, SEEK_SET);
	archive_write_set_format_pax(hostile.archive);
	archive_write_add_filter_zstd(hostile.archive);
	assert_int_equal(archive_write_open_fd(hostile.archive, room->bundle), ARCHIVE_OK);
	return hostile;
}

static void hostile_add(struct hostile *hostile, const char *path, mode_t type, const char *link)
{
	struct archive_entry *entry = archive_entry_new();

	archive_entry_set_pathname(entry, path);
	archive_entry_set_filetype(entry, type);
	archive_entry_set_perm(entry, 0777);
	archive_entry_set_size(entry, type == AE_IFREG && !link ? 4 : 0);
	if (type == AE_IFLNK)
		archive_entry_set_symlink(entry, link);
	else if (link)
		archive_entry_set_hardlink(entry, link);
	assert_int_equal(archive_write_header(hostile->archive, entry), ARCHIVE_OK);
	if (type == AE_IFREG && !link)
		archive_write_data(hostile->archive, "evil", 4);
	archive_entry_free(entry);
}

static void refused(struct room *room, struct hostile *hostile, const char *why)
{
	assert_int_equal(archive_write_free(hostile->archive), ARCHIVE_OK);
	assert_int_equal(unpack(room), -1);
	if (!strstr(room->err.text, why))
		fail_msg("\"%s\" says nothing of \"%s\"", room->err.text, why);
	assert_int_equal(entries(room->out), 0);
}

static void test_hostile(void **state)
{
	static const struct {
		const char *path;
		mode_t type;
		const char *link, *why;
	} cases[] = {
		{"../evil", AE_IFREG, NULL, "not allowed"},
		{"/tmp/evil", AE_IFREG, NULL, "not allowed"},
		{"a/../../evil", AE_IFREG, NULL, "not allowed"},
		{"a//evil", AE_IFREG, NULL, "not allowed"},
		{"./evil", AE_IFREG, NULL, "not allowed"},
		{"..", AE_IFDIR, NULL, "not allowed"},
		{"evil", AE_IFLNK, "/etc", "leads out"},
		{"evil", AE_IFLNK, "../x", "leads out"},
		{"evil", AE_IFREG, "/etc/passwd", "hard link"},
		{"evil", AE_IFREG, "other", "hard link"},
		{"evil", AE_IFIFO, NULL, "special"},
		{"evil", AE_IFCHR, NULL, "special"},
		{"evil", AE_IFBLK, NULL, "special"},
	};
	struct room *room = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hostile hostile = hostile_begin(room);

		hostile_add(&hostile, "harmless", AE_IFREG, NULL);
		hostile_add(&hostile, cases[i].path, cases[i].type, cases[i].link);
		refused(room, &hostile, cases[i].why);
	}
}

static void test_hostile_sequences(void **state)
{
	struct room *room = *state;
	struct hostile hostile = hostile_begin(room);
	char deep[256] = "";

	/* Through a link that the archive made itself. */
	hostile_add(&hostile, "d/link", AE_IFLNK, "../e");
	hostile_add(&hostile, "e", AE_IFDIR, NULL);
	hostile_add(&hostile, "d/link/evil", AE_IFREG, NULL);
	refused(room, &hostile, "no directory");
	/* The same name twice. */
	hostile = hostile_begin(room);
	hostile_add(&hostile, "f", AE_IFREG, NULL);
	hostile_add(&hostile, "f", AE_IFREG, NULL);
	refused(room, &hostile, "can't unpack f");
	hostile = hostile_begin(room);
	for (int i = 0; i < 70; i++)
		strcat(deep, "d/");
	strcat(deep, "f");
	hostile_add(&hostile, deep, AE_IFREG, NULL);
	refused(room, &hostile, "not allowed");
}

static void test_bombs(void **state)
{
	struct room *room = *state;
	struct hostile hostile = hostile_begin(room);
	struct archive_entry *entry = archive_entry_new();

	/* A terabyte of nothing. */
	archive_entry_set_pathname(entry, "bomb");
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_size(entry, INT64_C(1) << 40);
	archive_entry_sparse_add_entry(entry, INT64_C(1) << 40, 0);
	archive_write_header(hostile.archive, entry);
	archive_write_data(hostile.archive, "", 1);
	archive_entry_free(entry);
	refused(room, &hostile, "more than 64 GiB");
	hostile = hostile_begin(room);
	for (int i = 0; i <= RAIN_BUNDLE_ENTRIES_MAX; i++)
		hostile_add(&hostile, "d", AE_IFDIR, NULL);
	refused(room, &hostile, "more than 100000 entries");
}

static void test_damaged(void **state)
{
	struct room *room = *state;
	off_t size;

	assert_int_equal(unpack(room), -1); /* an empty file is no bundle */
	put(room->in, "f", "text", 0644);
	assert_int_equal(pack(room, "f"), 0);
	size = room->digest.size;
	for (off_t cut = 1; cut < size; cut++) {
		assert_int_equal(ftruncate(room->bundle, size - cut), 0);
		assert_int_equal(unpack(room), -1);
		assert_int_equal(entries(room->out), 0);
	}
	/* A frame that asks for a window of 128 MiB. */
	assert_int_equal(ftruncate(room->bundle, 0), 0);
	assert_int_equal(pwrite(room->bundle, "\x28\xb5\x2f\xfd\x00\x88", 6, 0), 6);
	assert_int_equal(ftruncate(room->bundle, 4096), 0);
	assert_int_equal(unpack(room), -1);
	assert_non_null(strstr(room->err.text, "zstd"));
}

static void test_remove_deep(void **state)
{
	struct room *room = *state;
	int dir = dup(room->in);

	/* Deeper than descriptors reach, unreadable in between. */
	for (int i = 0; i < 3000; i++) {
		int next;

		assert_int_equal(mkdirat(dir, "d", 0700), 0);
		next = openat(dir, "d", O_RDONLY | O_DIRECTORY);
		assert_true(next >= 0);
		close(dir);
		dir = next;
	}
	put(dir, "f", "x", 0400);
	assert_int_equal(fchmod(dir, 0500), 0);
	close(dir);
	assert_int_equal(rain_tree_remove(room->in, "d", &room->err), 0);
	assert_int_equal(entries(room->in), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),      TEST(test_deterministic),
		TEST(test_seen),      TEST(test_deterministic),
		TEST(test_sparse),          TEST(test_patterns),
		TEST(test_refused_sources), TEST(test_links),
		TEST(test_accept),          TEST(test_replaces),
		TEST(test_hostile),         TEST(test_hostile_sequences),
		TEST(test_bombs),           TEST(test_damaged),
		TEST(test_remove_deep),     TEST(test_accept_renamed),
		TEST(test_renamed),         TEST(test_fingerprint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
