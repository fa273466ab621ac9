// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * main: start-up, the loop, and the end; reads as a table of contents.
 *
 *   source/ -> locate/ -> owners/ -> holders/ -> policy/ -> respond/ -> repair/
 *                    ledger/, feed/ and control/ stand beside them all
 *
 * What can't be had (no NVDIMM bus, no BPF, no ledger, not root) degrades the service and is told;
 * only what would leave it deaf, blind and dumb at once ends it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "config.h"
#include "configuration.h"
#include "control/control.h"
#include "degraded.h"
#include "flow/flow.h"
#include "footprint.h"
#include "hearing/hearing.h"
#include "holders/holders.h"
#include "json-fields.h"
#include "log.h"
#include "measure.h"
#include "options.h"
#include "policy/config.h"
#include "privilege.h"
#include "source/mce_history.h"
#include "source/mount_watch.h"
#include "source/nvdimm.h"

struct daemon {
	struct options options;
	struct config *config;
	int proc_fd;
	int lock_fd;
	sd_event *event;
	struct degraded *degraded;
	struct ledger *ledger;
	struct feed *feed;
	struct nvdimm *nvdimm;
	struct hearing *hearing;
	struct mount_watch *mount_watch;
	struct flow *flow;
	struct control *control;
	struct measured measured;
	struct metrics *metrics;
};

/* ---- configuration ---- */

static int check_config(const struct options *options)
{
	_cleanup_(config_freep) struct config *config = NULL;
	_cleanup_(strv_freep) char **problems = NULL;
	int r;

	r = configuration_load(options, &config, &problems);
	if (r < 0) {
		log_err(r, "Cannot read %s", options->config_path);
		return 1;
	}
	for (char **problem = problems; problem && *problem; problem++)
		log_warn(0, "%s", *problem);
	return problems ? 1 : 0;
}

/* What is refused leaves everything as it was, and is told until it is mended. */
static int reload(void *userdata, char ***ret_problems)
{
	struct daemon *d = userdata;
	_cleanup_(config_freep) struct config *config = NULL;
	int r;

	feed_reopen(d->feed);
	r = configuration_reload(&d->options, d->degraded, &config, ret_problems);
	if (r <= 0)
		return r;
	flow_set_config(d->flow, config);
	config_free(d->config);
	d->config = TAKE(config);
	metrics_set_path(d->metrics, d->config->metrics_textfile);
	log_info(0, "Configuration read anew, %zu rules", d->config->n_rules);
	return 1;
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	_cleanup_(strv_freep) char **problems = NULL;

	sd_notify(false, "RELOADING=1");
	reload(userdata, &problems);
	sd_notify(false, "READY=1");
	return 0;
}

/* ---- what the sources tell ---- */

static void on_degraded(const char *what, const char *reason, void *userdata)
{
	struct daemon *d = userdata;

	degraded_begin(d->degraded, what, reason);
}

static void on_restored(const char *what, void *userdata)
{
	struct daemon *d = userdata;

	degraded_end(d->degraded, what);
}

static void on_badblocks(void *userdata)
{
	struct daemon *d = userdata;

	flow_rescan(d->flow);
}

static void on_topology(void *userdata)
{
	struct daemon *d = userdata;

	if (nvdimm_n_buses(d->nvdimm))
		degraded_end(d->degraded, "nvdimm");
	else
		degraded_begin(d->degraded, "nvdimm",
			       "this machine has no NVDIMM bus; one that is added is noticed");
	flow_topology_changed(d->flow);
}

static void on_scrub(const char *bus, bool started, unsigned count, void *userdata)
{
	struct daemon *d = userdata;
	struct json_fields f = json_fields_new();

	field_put_string(&f, "bus", bus);
	field_put_uint(&f, "count", count);
	feed_send(d->feed, started ? "scrub.started" : "scrub.finished", SEVERITY_INFO, 0,
		  f.object);
	json_object_put(f.object);
	control_scrub_changed(d->control, bus, started, count);
	if (!started) {
		flow_scrub_finished(d->flow);
		flow_rescan(d->flow);
	}
}

static void on_mounts(void *userdata)
{
	struct daemon *d = userdata;

	flow_mounts_changed(d->flow);
}

static size_t clients(void *userdata, pid_t *ret, size_t n)
{
	struct daemon *d = userdata;

	return d->control ? control_clients(d->control, ret, n) : 0;
}

static struct json_object *status(void *userdata)
{
	struct daemon *d = userdata;
	struct json_fields f = json_fields_new();

	field_put_object(&f, "sources", degraded_sources_to_json(d->degraded));
	return f.object;
}

/* ---- start ---- */

static int make_directory(const char *path, mode_t mode)
{
	return mkdir(path, mode) < 0 && errno != EEXIST ? -errno : 0;
}

/* Two daemons on one ledger would repair the same page twice. */
static int lock_state(struct daemon *d)
{
	_cleanup_(freep) char *path = NULL;

	if (asprintf(&path, "%s/lock", d->options.state_dir) < 0)
		return -ENOMEM;
	d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (d->lock_fd < 0)
		return errno == ENOSPC ? 0 : -errno;
	return flock(d->lock_fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

/* What was lost before is not known any more: that stays in the status until the next start. */
static void tell_set_aside(struct daemon *d, const char *name)
{
	_cleanup_(freep) char *reason = NULL;

	if (asprintf(&reason,
		     "the ledger was damaged or not ours, it is now %s and a new one is begun",
		     name) < 0)
		reason = NULL;
	degraded_begin(d->degraded, "history", reason ?: "the ledger was damaged");
}

static int open_state(struct daemon *d)
{
	_cleanup_(freep) char *set_aside = NULL;
	int r;

	r = make_directory(d->options.state_dir, 0700);
	if (r >= 0)
		r = lock_state(d);
	if (r == -EWOULDBLOCK) {
		log_err(0, "Another hwpoisond runs on %s, giving up", d->options.state_dir);
		return r;
	}
	if (r >= 0)
		r = ledger_open(d->options.state_dir, &d->ledger, &set_aside);
	if (r < 0)
		degraded_begin(d->degraded, "ledger", strerror(-r));
	else if (r > 0)
		tell_set_aside(d, set_aside);
	return 0;
}

static int open_feed(struct daemon *d)
{
	struct feed_settings settings = {
		.journal = d->config->feed_journal,
		.socket = d->config->feed_socket,
		.file = d->config->feed_file,
		.runtime_dir = d->options.runtime_dir,
	};
	int r;

	r = make_directory(d->options.runtime_dir, 0755);
	if (r < 0)
		log_warn(r, "Cannot make %s", d->options.runtime_dir);
	r = feed_new(d->event, &settings, d->ledger, &d->feed);
	if (r < 0)
		return r;
	degraded_set_feed(d->degraded, d->feed);
	return 0;
}

static void on_values(struct metrics_values *ret, void *userdata)
{
	struct daemon *d = userdata;

	measure(&d->measured, ret);
}

static void on_written(int r, void *userdata)
{
	struct daemon *d = userdata;

	if (r < 0)
		degraded_begin(d->degraded, "metrics", strerror(-r));
	else
		degraded_end(d->degraded, "metrics");
}

static int open_metrics(struct daemon *d)
{
	struct metrics_parts parts = { d->event, d->feed, on_values, on_written, d };

	d->measured = (struct measured){
		.config = (const struct config *const *)&d->config,
		.feed = d->feed,
		.flow = &d->flow,
		.hearing = &d->hearing,
		.ledger = d->ledger,
		.degraded = d->degraded,
	};
	return metrics_new(&parts, d->config->metrics_textfile, &d->metrics);
}

static void tell_missing_privileges(struct daemon *d)
{
	_cleanup_(freep) char *missing = privilege_missing();

	if (missing)
		degraded_begin(d->degraded, "privileges", missing);
}

static int open_sources(struct daemon *d)
{
	static const struct nvdimm_callbacks nvdimm_callbacks = {
		on_badblocks, on_topology, on_scrub, on_degraded, on_restored,
	};
	const char *reason;
	int r;

	r = nvdimm_new(d->event, &nvdimm_callbacks, d, &d->nvdimm);
	if (r < 0)
		return r;
	r = hearing_new(d->event, d->feed, d->degraded, d->config->skip_programs, &d->hearing);
	if (r < 0)
		return r;
	r = holders_bpf_new(d->config->skip_programs, &reason);
	if (r < 0)
		degraded_begin(d->degraded, "holders by BPF", reason);
	r = mount_watch_new(d->event, on_mounts, d, &d->mount_watch);
	if (r < 0)
		degraded_begin(d->degraded, "mounts", strerror(-r));
	r = mce_history_begin();
	if (r < 0)
		degraded_begin(
			d->degraded, "machine check history",
			"the kernel's log can't be read: any lost page is treated as one that a "
			"machine check has hit");
	tell_missing_privileges(d);
	return 0;
}

static int open_flow(struct daemon *d)
{
	struct flow_parts parts = {
		.event = d->event,
		.config = d->config,
		.ledger = d->ledger,
		.feed = d->feed,
		.nvdimm = d->nvdimm,
		.correlate = hearing_correlate(d->hearing),
		.proc_fd = d->proc_fd,
		.state_dir = d->options.state_dir,
		.runtime_dir = d->options.runtime_dir,
		.control_clients = clients,
		.degraded = on_degraded,
		.restored = on_restored,
		.userdata = d,
	};

	int r;

	r = flow_new(&parts, &d->flow);
	if (r < 0)
		return r;
	hearing_set_flow(d->hearing, d->flow);
	flow_ram_rescan(d->flow);
	return 0;
}

static int open_control(struct daemon *d)
{
	struct control_parts parts = {
		.event = d->event,
		.flow = d->flow,
		.feed = d->feed,
		.ledger = d->ledger,
		.nvdimm = d->nvdimm,
		.config = &d->options.config_path,
		.policy = (const struct config *const *)&d->config,
		.runtime_dir = d->options.runtime_dir,
		.state_dir = d->options.state_dir,
		.status = status,
		.reload = reload,
		.userdata = d,
	};

	return control_new(&parts, &d->control);
}

static int watch_signals(struct daemon *d)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	sigset_t mask;
	int r;

	sigemptyset(&mask);
	for (size_t i = 0; i < 3; i++)
		sigaddset(&mask, signals[i]);
	if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
		return -errno;
	signal(SIGPIPE, SIG_IGN);
	r = sd_event_add_signal(d->event, NULL, SIGTERM, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(d->event, NULL, SIGINT, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(d->event, NULL, SIGHUP, on_reload, d);
	return r;
}

static void tell_started(struct daemon *d)
{
	struct json_fields sources = json_fields_new(), f = json_fields_new();

	field_put_bool(&sources, "nvdimm", nvdimm_n_buses(d->nvdimm) > 0);
	field_put_bool(&sources, "kernel", !hearing_is_deaf(d->hearing));
	field_put_bool(&sources, "mounts", d->mount_watch != NULL);
	field_put_string(&f, "version", PACKAGE_VERSION);
	field_put_string(&f, "config", d->options.config_path);
	field_put_bool(&f, "dry_run", d->config->dry_run);
	field_put_object(&f, "sources", sources.object);
	feed_send(d->feed, "daemon.started", SEVERITY_INFO, 0, f.object);
	json_object_put(f.object);
}

/* All is loaded and open. */
static void settle(void)
{
	int r;

	r = privilege_drop();
	if (r < 0)
		log_warn(r, "Cannot give up privileges that are not needed any more, keeping them");
	footprint_shrink();
}

static int start(struct daemon *d)
{
	int r;

	d->degraded = degraded_new();
	if (!d->degraded)
		return -ENOMEM;
	r = configuration_start(&d->options, d->degraded, &d->config);
	if (r < 0) {
		log_err(r, "Cannot read %s", d->options.config_path);
		return r;
	}
	d->proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->proc_fd < 0)
		return -errno;
	r = sd_event_default(&d->event);
	if (r >= 0)
		r = watch_signals(d);
	if (r >= 0)
		r = open_state(d);
	if (r >= 0)
		r = open_feed(d);
	if (r >= 0)
		r = open_metrics(d);
	if (r >= 0)
		r = open_sources(d);
	if (r >= 0)
		r = open_flow(d);
	if (r >= 0)
		r = open_control(d);
	if (r >= 0)
		settle();
	return r;
}

static int run(struct daemon *d)
{
	int r;

	r = sd_event_set_watchdog(d->event, true);
	if (r < 0)
		log_warn(r, "Cannot feed the watchdog");
	tell_started(d);
	sd_notify(false, "READY=1\nSTATUS=Listening");
	r = sd_event_loop(d->event);
	sd_notify(false, "STOPPING=1");
	feed_send(d->feed, "daemon.stopping", SEVERITY_INFO, 0, NULL);
	return r;
}

static void stop(struct daemon *d)
{
	/* The other way round than start(), since each part may still use those before it. */
	d->control = control_free(d->control);
	metrics_free(d->metrics);
	if (d->hearing)
		hearing_set_flow(d->hearing, NULL);
	flow_free(d->flow);
	mount_watch_free(d->mount_watch);
	mce_history_end();
	holders_bpf_free();
	hearing_free(d->hearing);
	nvdimm_free(d->nvdimm);
	if (d->degraded)
		degraded_set_feed(d->degraded, NULL);
	feed_free(d->feed);
	ledger_free(d->ledger);
	degraded_free(d->degraded);
	config_free(d->config);
	sd_event_unref(d->event);
	closep(&d->proc_fd);
	closep(&d->lock_fd);
}

int main(int argc, char **argv)
{
	struct daemon d = {
		.options = {
			.config_path = SYSCONFDIR "/hwpoisond/hwpoisond.conf",
			.state_dir = LOCALSTATEDIR "/lib/hwpoisond",
			.runtime_dir = RUNSTATEDIR "/hwpoisond",
		},
		.proc_fd = -1,
		.lock_fd = -1,
	};
	int r;

	r = options_parse(argc, argv, &d.options);
	if (r >= 0)
		return r;
	if (d.options.check_config)
		return check_config(&d.options);

	r = start(&d);
	if (r < 0)
		log_err(r, "Cannot start");
	else
		r = run(&d);
	stop(&d);
	return r < 0 ? 1 : 0;
}
