// SPDX-License-Identifier: GPL-2.0-or-later
//
// A 32-bit program: ends with 32.
    .globl  _start
_start:
    mov     $1, %eax
    mov     $32, %ebx
    int     $0x80
    .section .note.GNU-stack, "", @progbits
