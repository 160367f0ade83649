# SPDX-License-Identifier: GPL-2.0-or-later
# Designated initialisers leave the rest at its default on purpose.
add_compile_options(-Wall -Wextra -Wno-missing-field-initializers -Wshadow -Wnon-virtual-dtor -Wundef -Werror)
# g++ 12 reports false positives of these inside <regex>, nlohmann/json and coroutine frames at -O2.
add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
                    $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
add_compile_options(-fstack-protector-strong -D_FORTIFY_SOURCE=2 -U_GLIBCXX_ASSERTIONS -D_GLIBCXX_ASSERTIONS)
if(CMAKE_BUILD_TYPE STREQUAL "Debug")
  add_compile_options(-U_FORTIFY_SOURCE)
endif()
if(HOLON_ASAN)
  add_compile_options(-fsanitize=address,undefined -fno-omit-frame-pointer -U_FORTIFY_SOURCE)
  add_link_options(-fsanitize=address,undefined)
endif()
find_program(HOLON_CCACHE ccache)
if(HOLON_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${HOLON_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${HOLON_CCACHE})
endif()
