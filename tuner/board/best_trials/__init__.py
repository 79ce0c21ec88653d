"""The server side of the Best trials tab: it reads logs, and answers with JSON.

It runs inside TensorBoard, so it needs no more than TensorBoard does.
"""
