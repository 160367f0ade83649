// SPDX-License-Identifier: GPL-2.0-or-later
//
// Runs in a program that has just been executed, in the page of its entry point, with every register 0 but RSP and RIP,
// in place of the program's first instruction. It maps the parameters (with what the runtime writes to) and its file, and goes to the
// runtime, which puts the program's page back and starts it. When anything fails (no such file in a chroot, no memory)
// it puts the page back itself and the program starts without the engine. Position-independent; struct LoaderData
// (blob.h) lies behind the code.

#define DATA_ENTRY          0
#define DATA_PAGE           8
#define DATA_PAGE_SIZE      16
#define DATA_IMAGE_BEGIN    24
#define DATA_IMAGE_LENGTH   32
#define DATA_INJECTED       40
#define DATA_PARAMETERS_AT  48
#define DATA_COUNT          56
#define DATA_READ_TO        64
#define DATA_READ_LENGTH    72
#define DATA_READ_OFFSET    80
#define DATA_MAPPINGS       88
#define DATA_PARAMETERS     408
#define DATA_PATH           608
#define DATA_PARAMETERS_LENGTH 1120
#define PARAMETERS_SIZE     200
#define MAPPING_SIZE        40
#define RECOVERY_DATA_SIZE  40

#define SYS_WRITE           1
#define SYS_CLOSE           3
#define SYS_MMAP            9
#define SYS_MPROTECT        10
#define SYS_MUNMAP          11
#define SYS_PREAD64         17
#define SYS_MADVISE         28
#define SYS_EXIT_GROUP      231
#define SYS_OPENAT          257
#define MADV_DONTNEED       4
#define MAP_ANONYMOUS       0x20
#define MAP_FLAGS           0x100022    /* MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE */

// A program that had threads before it executed this one left a filter behind, which traps mmap and mprotect before there is
// a runtime to take the trap. It lets pass what has this in the upper half of R8 (ssi/runtime/filter.cpp), where calls have a
// 32-bit descriptor or nothing; the lower half is descriptor -1.
#define LOADER_TOKEN        0x7e80ffffffff

// Leaves RDI and RSP, as after execve.
.macro clear_registers
    xor     %eax, %eax
    xor     %ebx, %ebx
    xor     %ecx, %ecx
    xor     %edx, %edx
    xor     %esi, %esi
    xor     %ebp, %ebp
    xor     %r8d, %r8d
    xor     %r9d, %r9d
    xor     %r10d, %r10d
    xor     %r11d, %r11d
    xor     %r12d, %r12d
    xor     %r13d, %r13d
    xor     %r14d, %r14d
    xor     %r15d, %r15d
.endm

    .section .rodata.holon_ssi_loader, "a"
    .balign 16
    .globl  holon_ssi_loader_begin, holon_ssi_loader_end
    .hidden holon_ssi_loader_begin, holon_ssi_loader_end
holon_ssi_loader_begin:
    cld
    lea     data(%rip), %rbx

    mov     DATA_PARAMETERS_AT(%rbx), %rdi
    mov     DATA_PARAMETERS_LENGTH(%rbx), %rsi
    mov     $3, %edx
    mov     $MAP_FLAGS, %r10d
    movabs  $LOADER_TOKEN, %r8
    xor     %r9d, %r9d
    mov     $SYS_MMAP, %eax
    syscall
    cmp     %rdi, %rax
    jne     die
    lea     DATA_PARAMETERS(%rbx), %rsi
    mov     $PARAMETERS_SIZE, %ecx
    rep movsb

    mov     $-100, %rdi                 // AT_FDCWD
    lea     DATA_PATH(%rbx), %rsi
    mov     $0x80000, %edx              // O_RDONLY | O_CLOEXEC
    xor     %r10d, %r10d
    mov     $SYS_OPENAT, %eax
    syscall
    test    %eax, %eax
    js      recover
    mov     %eax, %r12d
    movabs  $LOADER_TOKEN, %r15
    mov     %r12d, %ecx
    shr     $32, %r15
    shl     $32, %r15
    or      %rcx, %r15

    lea     DATA_MAPPINGS(%rbx), %r14
    mov     DATA_COUNT(%rbx), %r13
1:  mov     (%r14), %rdi
    mov     8(%r14), %rsi
    mov     16(%r14), %rdx
    mov     24(%r14), %r10
    mov     32(%r14), %r9
    movabs  $LOADER_TOKEN, %r8
    test    $MAP_ANONYMOUS, %r10d
    cmovz   %r15, %r8
    mov     $SYS_MMAP, %eax
    syscall
    cmp     %rdi, %rax
    jne     2f
    add     $MAPPING_SIZE, %r14
    dec     %r13
    jnz     1b

    mov     %r12d, %edi
    mov     DATA_READ_TO(%rbx), %rsi
    mov     DATA_READ_LENGTH(%rbx), %rdx
    mov     DATA_READ_OFFSET(%rbx), %r10
    mov     $SYS_PREAD64, %eax
    syscall
    sub     %rdx, %rax
    mov     %rax, %r13                  // 0 when all of it was read

2:  mov     %r12d, %edi
    mov     $SYS_CLOSE, %eax
    syscall
    test    %r13, %r13
    jnz     recover

    lea     data(%rip), %rdi
    clear_registers
    jmp     *data+DATA_INJECTED(%rip)

// The page of the loader can only be put back from elsewhere: the page of parameters takes the code that does it.
recover:
    mov     DATA_PARAMETERS_AT(%rbx), %rdi
    mov     %rdi, %r12
    lea     recovery(%rip), %rsi
    mov     $(recovery_data - recovery), %ecx
    rep movsb
    mov     %rbx, %rsi
    mov     $RECOVERY_DATA_SIZE, %ecx
    rep movsb
    mov     %r12, %rdi
    mov     $4096, %esi
    mov     $5, %edx                    // PROT_READ | PROT_EXEC
    mov     $SYS_MPROTECT, %eax
    syscall
    test    %eax, %eax
    jnz     die
    jmp     *%r12

recovery:
    mov     recovery_data+DATA_IMAGE_BEGIN(%rip), %rdi
    mov     recovery_data+DATA_IMAGE_LENGTH(%rip), %rsi
    mov     $SYS_MUNMAP, %eax
    syscall
    mov     recovery_data+DATA_PAGE(%rip), %rdi
    mov     recovery_data+DATA_PAGE_SIZE(%rip), %rsi
    mov     $MADV_DONTNEED, %edx
    mov     $SYS_MADVISE, %eax
    syscall
    xor     %edi, %edi
    clear_registers
    jmp     *recovery_data+DATA_ENTRY(%rip)
    .balign 8
recovery_data:

// Not one page of memory: the program itself could not start either.
die:
    mov     $2, %edi
    lea     message(%rip), %rsi
    mov     $(message_end - message), %edx
    mov     $SYS_WRITE, %eax
    syscall
    mov     $126, %edi
    mov     $SYS_EXIT_GROUP, %eax
    syscall
    hlt
message:
    .ascii  "ssi: no memory to start the program in: raise its limit of address space (ulimit -v)\n"
message_end:

    .balign 16
data:
holon_ssi_loader_end:
    .section .note.GNU-stack, "", @progbits
