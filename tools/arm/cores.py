"""A core with caches and DDR4 for gem5 24.0, which runs a static aarch64 program: cores.py CORE PROGRAM ARGUMENTS...

inorder: gem5's HPI, which Arm made as a modern in-order core: two instructions a cycle, one of them of SIMD, one load.
a72:     three a cycle, two SIMD pipes of which one multiplies, one load.
a76:     four a cycle, two SIMD pipes of 128 bits, two loads.
Widths and latencies of the last two are those of Arm's software optimisation guides for Cortex-A72 and Cortex-A76.
"""
import os
import sys

import m5
from m5.objects import (
    AddrRange, ArmO3CPU, Cache, DDR4_2400_16x4, FUDesc, FUPool, L2XBar, MemCtrl, OpDesc, Process, Root, SEWorkload, SrcClockDomain,
    StridePrefetcher, System, SystemXBar, TournamentBP, VoltageDomain)

sys.path.insert(0, os.environ["GEM5"] + "/configs")
from common.cores.arm.HPI import HPI, HPI_DCache, HPI_ICache  # noqa: E402


def unit(count, operations):
    return FUDesc(opList=[OpDesc(opClass=name, opLat=latency, pipelined=pipelined) for name, latency, pipelined in operations],
                  count=count)


def units(simd, multiplying, loads, dot, multiply, floating):
    """Units with the latencies of dot products, of integer multiplications and of floats."""
    alu = [("IntAlu", 1, True)]
    divide = [("IntMult", 3, True), ("IntDiv", 12, False), ("IprAccess", 3, True)]
    simple = [(name, 2, True) for name in ("SimdAdd", "SimdCmp", "SimdMisc", "SimdShift", "SimdShiftAcc", "SimdAddAcc")]
    products = [("SimdAlu", dot, True), ("SimdMult", multiply, True), ("SimdMultAcc", multiply, True), ("SimdMatMultAcc", dot, True),
                ("SimdSqrt", 12, False), ("SimdCvt", 3, True)]
    floats = [(name, floating, True) for name in (
        "SimdFloatAdd", "SimdFloatAlu", "SimdFloatMult", "SimdFloatMultAcc", "SimdFloatMatMultAcc", "SimdFloatCvt", "SimdFloatMisc",
        "FloatAdd", "FloatCvt", "FloatMult", "FloatMultAcc", "FloatMisc")]
    floats += [(name, 2, True) for name in ("SimdFloatCmp", "FloatCmp")]
    floats += [(name, 10, False) for name in ("SimdFloatDiv", "FloatDiv", "SimdFloatSqrt", "FloatSqrt")]
    found = [unit(2, alu), unit(1, alu + divide), unit(multiplying, simple + products + floats)]
    if simd > multiplying:
        found.append(unit(simd - multiplying, simple + floats))
    found += [unit(loads, [("MemRead", 2, True), ("FloatMemRead", 3, True)]),
              unit(1, [("MemWrite", 1, True), ("FloatMemWrite", 1, True)])]
    return FUPool(FUList=found)


def out_of_order(width, reorder, pool):
    core = ArmO3CPU(
        fetchWidth=width, decodeWidth=width, renameWidth=width, dispatchWidth=2 * width, issueWidth=8, wbWidth=8, commitWidth=2 * width,
        numROBEntries=reorder, numPhysVecRegs=128, numPhysIntRegs=160, numIQEntries=reorder // 2, LQEntries=48, SQEntries=40,
        fuPool=pool, fetchBufferSize=32, fetchQueueSize=32)
    core.branchPred = TournamentBP()
    return core


CORES = {
    "inorder": lambda: HPI(),
    "a72": lambda: out_of_order(3, 128, units(2, 1, 1, 4, 4, 4)),
    "a76": lambda: out_of_order(4, 128, units(2, 2, 2, 3, 4, 4)),
}

name = sys.argv[1]
system = System(mem_mode="timing", mem_ranges=[AddrRange("2GiB")], cache_line_size=64)
system.clk_domain = SrcClockDomain(clock="1.8GHz", voltage_domain=VoltageDomain())
system.cpu = CORES[name]()
system.membus, system.l2bus = SystemXBar(), L2XBar()
system.cpu.icache, system.cpu.dcache = HPI_ICache(), HPI_DCache()
if name != "inorder":
    system.cpu.dcache = Cache(
        size="32KiB" if name == "a72" else "64KiB", assoc=4, tag_latency=1, data_latency=2, response_latency=1, mshrs=16,
        tgts_per_mshr=8)
    system.cpu.dcache.prefetcher = StridePrefetcher(degree=4)
system.l2 = Cache(size="512KiB", assoc=8, tag_latency=6, data_latency=6, response_latency=3, mshrs=32, tgts_per_mshr=8)
system.l2.prefetcher = StridePrefetcher(degree=8)
system.cpu.icache.cpu_side, system.cpu.dcache.cpu_side = system.cpu.icache_port, system.cpu.dcache_port
system.cpu.icache.mem_side = system.cpu.dcache.mem_side = system.l2bus.cpu_side_ports
system.l2.cpu_side, system.l2.mem_side = system.l2bus.mem_side_ports, system.membus.cpu_side_ports
system.mem_ctrl = MemCtrl(dram=DDR4_2400_16x4(range=system.mem_ranges[0]))
system.mem_ctrl.port = system.membus.mem_side_ports
system.system_port = system.membus.cpu_side_ports
system.cpu.createInterruptController()
system.workload = SEWorkload.init_compatible(sys.argv[2])
system.cpu.workload = Process(cmd=sys.argv[2:])
system.cpu.createThreads()
root = Root(full_system=False, system=system)
m5.instantiate()
m5.simulate()
