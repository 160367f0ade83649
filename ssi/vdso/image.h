// SPDX-License-Identifier: GPL-2.0-or-later
//
// The vDSO image as bytes, to be copied to layout::vdso. The object has no code and needs no
// library, so the freestanding runtime links it too.
#pragma once

#include <cstddef>

extern "C" {
extern const unsigned char holon_ssi_vdso_image[];
extern const unsigned char holon_ssi_vdso_image_end[];
}

namespace holon::ssi::vdso {

inline const unsigned char* image() { return holon_ssi_vdso_image; }
inline std::size_t image_size() {
    return std::size_t(holon_ssi_vdso_image_end - holon_ssi_vdso_image);
}

}  // namespace holon::ssi::vdso
