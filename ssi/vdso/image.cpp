// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/vdso/image.h"

asm(R"(
    .pushsection .rodata.holon_ssi_vdso, "a", @progbits
    .balign 64
    .globl holon_ssi_vdso_image, holon_ssi_vdso_image_end
    .type holon_ssi_vdso_image, @object
holon_ssi_vdso_image:
    .incbin ")" HOLON_VDSO_FILE R"("
holon_ssi_vdso_image_end:
    .size holon_ssi_vdso_image, . - holon_ssi_vdso_image
    .popsection
)");
