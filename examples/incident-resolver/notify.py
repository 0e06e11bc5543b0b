"""The notifier: tells the chat and the engineer on call. It was handed this file and the post-mortem, and two hosts."""
import email.message
import json
import pathlib
import smtplib
import sys
import urllib.request


def note(text):
    body = json.dumps({"text": text}).encode()
    request = urllib.request.Request("http://sallyport.internal/v1/notes", body, {"content-type": "application/json"})
    urllib.request.urlopen(request).read()


cause = sys.argv[1]
alert = json.dumps({"text": f"The service is down: {cause}"}).encode()
webhook = "https://hooks.slack.com/services/T000/B000/example"
urllib.request.urlopen(urllib.request.Request(webhook, alert, {"content-type": "application/json"})).read()
note("5 sent an alert to Slack")

message = email.message.EmailMessage()
message["From"] = "notifier@example.com"
message["To"] = "on-call@example.com"
message["Subject"] = "The service is down"
message.set_content(pathlib.Path("post-mortem.md").read_text())
with smtplib.SMTP("smtp.example.com", 25, timeout=30) as server:
    server.send_message(message)
note("6 notified the on-call engineer by e-mail")
print("notified")
