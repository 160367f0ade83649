// SPDX-License-Identifier: GPL-2.0-or-later
// The entry points of a select plugin of Slurm 26.05 (interfaces/select.c node_select_syms).
#include "select/shadow/entry.h"

SLURM_ENTRY int select_p_job_test(job_record_t*, bitstr_t*, uint32_t, uint32_t, uint32_t, uint16_t,
                                  list_t*, list_t**, resv_exc_t*, will_run_data_t*);
STOCK(select_p_job_test)
int select_p_job_test(job_record_t* job, bitstr_t* nodes, uint32_t min_nodes, uint32_t max_nodes,
                      uint32_t req_nodes, uint16_t mode, list_t* candidates, list_t** preempted,
                      resv_exc_t* excluded, will_run_data_t* will_run) {
    return holon::shadow::job_test(
        {job, nodes, min_nodes, max_nodes, req_nodes, mode}, [&](bitstr_t* offered, bool preempt) {
            list_t* none = nullptr;
            return stock_select_p_job_test(job, offered, min_nodes, max_nodes, req_nodes, mode,
                                           preempt ? candidates : nullptr,
                                           preempt ? preempted : &none, excluded, will_run);
        });
}

SLURM_ENTRY void select_p_job_mem_reduce(job_record_t*);
STOCK(select_p_job_mem_reduce)
void select_p_job_mem_reduce(job_record_t* job) {
    stock_select_p_job_mem_reduce(job);
    holon::shadow::job_changed(job);
}

FORWARD_AND(select_p_node_init, (void), (), nodes_changed())
FORWARD_AND(select_p_reconfigure, (void), (), jobs_changed())
FORWARD_AND(select_p_select_nodeinfo_set, (job_record_t * job), (job), job_changed(job))
FORWARD_AND(select_p_job_resized, (job_record_t * job, node_record_t* node), (job, node),
            job_changed(job))
FORWARD_AND(select_p_job_suspend, (job_record_t * job, bool indefinitely), (job, indefinitely),
            job_changed(job))
FORWARD_AND(select_p_job_resume, (job_record_t * job, bool indefinitely), (job, indefinitely),
            job_changed(job))
FORWARD_AND(select_p_job_expand, (job_record_t * from, job_record_t* to), (from, to),
            job_changed(to))
FORWARD_AND(select_p_job_fini, (job_record_t * job), (job), job_ended(job))

FORWARD(int, select_p_job_begin, (job_record_t * job), (job))
FORWARD(int, select_p_job_ready, (job_record_t * job), (job))
FORWARD(int, select_p_select_nodeinfo_set_all, (void), ())
