// SPDX-License-Identifier: GPL-2.0-or-later
//
// A program without a C library whose entry point lies OFFSET bytes into a page. Ends with 0 when it starts as the
// kernel starts it: all registers 0, its code and its cleared memory as they should be.
    .text
    .balign 4096
    .skip   OFFSET
    .globl  _start
_start:
    nop
    nop
    jmp     begin
    .skip   64
begin:
    or      %rbx, %rax
    or      %rcx, %rax
    or      %rdx, %rax
    or      %rsi, %rax
    or      %rdi, %rax
    or      %rbp, %rax
    or      %r8, %rax
    or      %r9, %rax
    or      %r10, %rax
    or      %r11, %rax
    or      %r12, %rax
    or      %r13, %rax
    or      %r14, %rax
    or      %r15, %rax
    mov     $1, %edi
    test    %rax, %rax
    jnz     end
    mov     $2, %edi
    lea     _start(%rip), %rsi
    cmpw    $0x9090, (%rsi)
    jne     end
    mov     $3, %edi
    lea     cleared(%rip), %rsi
    mov     $512, %ecx
1:  lodsb
    test    %al, %al
    jnz     end
    loop    1b
    mov     $4, %edi
    cmpl    $0x600d, data(%rip)
    jne     end
    xor     %edi, %edi
end:
    mov     $231, %eax
    syscall
    .data
data:
    .long   0x600d
    .bss
cleared:
    .skip   512
    .section .note.GNU-stack, "", @progbits
