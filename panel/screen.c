/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "panel/screen.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/file.h"

#define OTHER_BUFFER "\033[?1049h\033[?25l\033[2J"
#define OWN_BUFFER "\033[?25h\033[?1049l"
/* The terminal shows what lies between at once, where it knows this. */
#define BEGIN_PICTURE "\033[?2026h\033[H"
#define END_PICTURE "\033[J\033[?2026l"

#define WIDTH_MIN 10
#define WIDTH_MAX 1000

static void write_text(const char *text)
{
	/* A terminal that is gone sends SIGHUP, too. */
	rain_file_write_fd(STDOUT_FILENO, text, strlen(text), NULL);
}

static void take_keys(struct rain_panel_screen *screen)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = STDIN_FILENO};
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &screen->before) < 0)
		return;
	raw = screen->before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
		return;
	screen->keys = true;
	epoll_ctl(screen->fd, EPOLL_CTL_ADD, STDIN_FILENO, &event);
}

int rain_panel_screen_open(struct rain_panel_screen *screen, bool draw, struct rain_error *err)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};
	struct epoll_event event = {.events = EPOLLIN};
	sigset_t set;

	memset(screen, 0, sizeof(*screen));
	screen->signal_fd = -1;
	screen->fd = epoll_create1(EPOLL_CLOEXEC);
	if (screen->fd < 0)
		return rain_error_set(err, "can't wait for keys: %s", strerror(errno));
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&set, signals[i]);
	screen->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	event.data.fd = screen->signal_fd;
	if (screen->signal_fd < 0 || sigprocmask(SIG_BLOCK, &set, NULL) < 0 ||
	    epoll_ctl(screen->fd, EPOLL_CTL_ADD, screen->signal_fd, &event) < 0) {
		rain_error_set(err, "can't wait for signals: %s", strerror(errno));
		rain_panel_screen_close(screen);
		return -1;
	}
	if (!draw)
		return 0;
	if (isatty(STDIN_FILENO))
		take_keys(screen);
	screen->drawing = true;
	write_text(OTHER_BUFFER);
	return 0;
}

enum rain_panel_wish rain_panel_screen_read(struct rain_panel_screen *screen)
{
	enum rain_panel_wish wish = RAIN_PANEL_GO_ON;
	struct signalfd_siginfo info;
	char keys[64];
	ssize_t got;

	while (read(screen->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGWINCH)
			return RAIN_PANEL_QUIT;
		wish = RAIN_PANEL_DRAW_AGAIN;
	}
	if (!screen->keys)
		return wish;
	got = read(STDIN_FILENO, keys, sizeof(keys));
	if (got > 0 && (memchr(keys, 'q', (size_t)got) || memchr(keys, 'Q', (size_t)got)))
		return RAIN_PANEL_QUIT;
	return wish;
}

void rain_panel_screen_show(const char *text)
{
	size_t size = strlen(BEGIN_PICTURE) + strlen(text) + strlen(END_PICTURE) + 1;
	char *picture = malloc(size);

	if (!picture)
		return; /* the next picture may have more luck */
	snprintf(picture, size, "%s%s%s", BEGIN_PICTURE, text, END_PICTURE);
	write_text(picture);
	free(picture);
}

void rain_panel_screen_size(int *width, int *height)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;

	*width = columns ? atoi(columns) : 0;
	*height = 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
		*width = size.ws_col;
		*height = size.ws_row;
	}
	if (*width <= 0)
		*width = 80;
	if (*width < WIDTH_MIN)
		*width = WIDTH_MIN;
	if (*width > WIDTH_MAX)
		*width = WIDTH_MAX;
}

void rain_panel_screen_close(struct rain_panel_screen *screen)
{
	if (screen->drawing)
		write_text(OWN_BUFFER);
	if (screen->keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &screen->before);
	if (screen->signal_fd >= 0)
		close(screen->signal_fd);
	if (screen->fd >= 0)
		close(screen->fd);
	screen->drawing = screen->keys = false;
	screen->signal_fd = screen->fd = -1;
}
