# SPDX-License-Identifier: GPL-2.0-or-later
# Where things live on a site. Every program gets them from the generated header paths.h;
# a cluster may override them in holon.yaml, never in code.
set(HOLON_LIBEXECDIR "${CMAKE_INSTALL_FULL_LIBEXECDIR}/holon" CACHE STRING "holon-run and helpers")
set(HOLON_LIBDIR "${CMAKE_INSTALL_PREFIX}/lib/holon" CACHE STRING "holon-guest and the initramfs parts")
set(HOLON_CONFIG_FILE "/etc/holon/holon.yaml" CACHE STRING "the site's configuration")
set(HOLON_SLURM_PLUGIN_DIR "" CACHE STRING "Slurm's plugin directory (default: asked from pkg-config or Debian's)")
if(NOT HOLON_SLURM_PLUGIN_DIR)
  if(EXISTS "/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/slurm-wlm")
    set(HOLON_SLURM_PLUGIN_DIR "/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/slurm-wlm")
  else()
    set(HOLON_SLURM_PLUGIN_DIR "${CMAKE_INSTALL_FULL_LIBDIR}/slurm")
  endif()
endif()
# The select plugin bears the name of Slurm's own, so it lies apart from it.
set(HOLON_SELECT_PLUGIN_DIR "${HOLON_LIBDIR}/slurm" CACHE STRING "the folder of select_cons_tres.so")
configure_file(${CMAKE_SOURCE_DIR}/cmake/paths.h.in ${CMAKE_BINARY_DIR}/generated/paths.h @ONLY)
