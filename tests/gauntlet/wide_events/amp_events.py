# ruff: noqa: SIM115
EC = "event_index,scheduler_step,layer,requested_experts\n"
open("amp.events.csv", "w").write(
    EC + "0,0,0," + " ".join(map(str, range(50000))) + "\n" + "".join(f"{i},{i},0,1\n" for i in range(1, 6500))
)
