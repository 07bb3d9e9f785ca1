/* SPDX-License-Identifier: MIT */
#include "cmd/relay/service.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static bool
fail(const char *user, const char *why, char err[SERVICE_ERR_CHARS])
{
	snprintf(err, SERVICE_ERR_CHARS, "user '%.64s': %s", user, why);
	return false;
}

/* All three ids are what they should be, and there is no way back. */
static bool
stuck(const struct passwd *pw)
{
	uid_t uid, euid, suid;
	gid_t gid, egid, sgid;

	return getresuid(&uid, &euid, &suid) == 0 &&
	    getresgid(&gid, &egid, &sgid) == 0 && uid == pw->pw_uid &&
	    euid == uid && suid == uid && gid == pw->pw_gid && egid == gid &&
	    sgid == gid && setuid(0) != 0 && seteuid(0) != 0;
}

bool
service_drop_privileges(const char *user, char err[SERVICE_ERR_CHARS])
{
	struct passwd *pw;

	errno = 0;
	pw = getpwnam(user);
	if (pw == NULL)
		return fail(
		    user, errno != 0 ? strerror(errno) : "no such user", err);
	if (pw->pw_uid == 0)
		return fail(user, "expected another one than root", err);
	/* the groups come first: only root may set them */
	if (initgroups(user, pw->pw_gid) != 0 || setgid(pw->pw_gid) != 0 ||
	    setuid(pw->pw_uid) != 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return fail(user, strerror(errno), err);
	return stuck(pw) || fail(user, "root did not go away", err);
}
