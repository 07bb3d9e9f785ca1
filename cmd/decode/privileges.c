/* SPDX-License-Identifier: MIT */
#include "cmd/decode/privileges.h"

#include "cmd/capture/source.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

bool
privileges_drop(const char *user, char *err)
{
	const char *name = user != NULL ? user : PRIVILEGES_USER;
	struct passwd *pw;

	if (geteuid() != 0)
		return true;
	errno = 0;
	pw = getpwnam(name);
	if (pw == NULL) {
		snprintf(err, SOURCE_ERR_CHARS, "user '%.200s': %s", name,
		    errno != 0 ? strerror(errno) : "no such user");
		return false;
	}
	if (initgroups(name, pw->pw_gid) != 0 || setgid(pw->pw_gid) != 0 ||
	    setuid(pw->pw_uid) != 0) {
		snprintf(err, SOURCE_ERR_CHARS, "user '%.200s': %s", name,
		    strerror(errno));
		return false;
	}
	return true;
}
