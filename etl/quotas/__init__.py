"""What a tenant may use of the shared platform, how much it has used, and the refusal of what would be more.

Belongs here: the platform's file of quotas, counting, and the decision. Not here: which runs wait for others
(`etl.running.queue_order`), the publishing that asks for room (`etl.pipeline.room`).
"""
