/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What glibc's tests expect from glibc's own build before their first line, as far as an installed
 * glibc can give it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#ifndef __cplusplus
#include <limits.h>
#endif
#define TIMEOUTFACTOR 1
#define MODULE_NAME testsuite
#define IS_IN(module) 0
#define attribute_hidden
#define libc_hidden_proto(name, ...)
#define libc_hidden_def(name)
#define libc_hidden_weak(name)
#define rtld_hidden_proto(name, ...)
#define weak_alias(name, other) extern __typeof(name) other __attribute__((weak, alias(#name)));
#define strong_alias(name, other) extern __typeof(name) other __attribute__((alias(#name)));
#define HAVE_TUNABLES 1
#define PTHREAD_IN_LIBC 1
#define USE_MTAG 0
#define CET_ENABLED 0
#define PI_STATIC_AND_HIDDEN 1
